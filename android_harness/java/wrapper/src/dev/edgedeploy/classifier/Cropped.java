package dev.edgedeploy.classifier;

/** A part of a picture. */
final class Cropped implements PixelSource {
    private final PixelSource whole;
    private final int left;
    private final int top;
    private final int width;
    private final int height;

    private Cropped(PixelSource whole, int left, int top, int width, int height) {
        this.whole = whole;
        this.left = left;
        this.top = top;
        this.width = width;
        this.height = height;
    }

    /** The part up to {@code right} and {@code bottom}, which are outside; it must lie inside. */
    static PixelSource of(PixelSource whole, int left, int top, int right, int bottom) {
        if (left < 0 || top < 0 || right > whole.width() || bottom > whole.height()
                || left >= right || top >= bottom) {
            throw new ClassifierException(
                    "the crop rectangle (" + left + ", " + top + ", " + right + ", " + bottom
                            + ") does not lie in the picture of " + whole.width() + " x "
                            + whole.height() + " pixels; set one that does");
        }
        int width = right - left;
        int height = bottom - top;
        boolean all = width == whole.width() && height == whole.height();
        return all ? whole : new Cropped(whole, left, top, width, height);
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public void close() {
        whole.close();
    }

    @Override
    public void read(int left, int top, int width, int height, byte[] rgb) {
        whole.read(this.left + left, this.top + top, width, height, rgb);
    }
}
