package dev.edgedeploy.classifier;

import android.graphics.Rect;
import android.media.Image;
import java.nio.ByteBuffer;

/** A camera frame whose planes lie in NV12's layout. */
final class FakeImage extends Image {
    private final int format;
    private final int width;
    private final int height;
    private final ByteBuffer[] buffers;
    private boolean closed;
    private Rect crop;

    FakeImage(int format, int width, int height, ByteBuffer[] buffers) {
        this.format = format;
        this.width = width;
        this.height = height;
        this.buffers = buffers;
    }

    @Override
    public int getFormat() {
        if (closed) {
            throw new IllegalStateException("Image is already closed");
        }
        return format;
    }

    @Override
    public int getWidth() {
        return width;
    }

    @Override
    public int getHeight() {
        return height;
    }

    @Override
    public void setCropRect(Rect wanted) {
        crop = wanted;
    }

    @Override
    public Rect getCropRect() {
        return crop == null ? new Rect(0, 0, width, height) : crop;
    }

    @Override
    public long getTimestamp() {
        return 0;
    }

    @Override
    public int getTransform() {
        return 0;
    }

    @Override
    public int getScalingMode() {
        return 0;
    }

    @Override
    public Plane[] getPlanes() {
        Plane[] planes = new Plane[buffers.length];
        for (int i = 0; i < planes.length; i++) {
            planes[i] = new FakePlane(buffers[i], width, i == 0 ? 1 : 2);
        }
        return planes;
    }

    @Override
    public void close() {
        closed = true;
    }

    private static final class FakePlane extends Plane {
        private final ByteBuffer buffer;
        private final int rowStride;
        private final int pixelStride;

        FakePlane(ByteBuffer buffer, int rowStride, int pixelStride) {
            this.buffer = buffer;
            this.rowStride = rowStride;
            this.pixelStride = pixelStride;
        }

        @Override
        public int getRowStride() {
            return rowStride;
        }

        @Override
        public int getPixelStride() {
            return pixelStride;
        }

        @Override
        public ByteBuffer getBuffer() {
            return buffer;
        }
    }
}
