package dev.edgedeploy.classifier;

import java.io.Closeable;

/** Pixels of a photo, read a part at a time, so that no copy of a large photo is made. */
interface PixelSource extends Closeable {
    int width();

    int height();

    /**
     * Writes the pixels of a part that lies inside, row by row, as red, green, blue from index 0.
     * Transparency is dropped: a transparent pixel gives the colour that it has.
     */
    void read(int left, int top, int width, int height, byte[] rgb);

    /** Frees what the source itself holds, never what a caller gave; nothing is read afterwards. */
    @Override
    default void close() {}
}
