package dev.edgedeploy.classifier;

/** Pixels in an array of ints, 0xAARRGGBB, row by row, not premultiplied; not copied. */
final class ArgbPixels implements PixelSource {
    private final int[] argb;
    private final int width;
    private final int height;

    ArgbPixels(int[] argb, int width, int height) {
        if (width < 1 || height < 1) {
            throw new ClassifierException(
                    "the photo is " + width + " x " + height + " pixels; give one with pixels");
        }
        if (argb == null || argb.length < (long) width * height) {
            throw new ClassifierException(
                    "the photo of " + width + " x " + height + " pixels comes with "
                            + (argb == null ? "no" : String.valueOf(argb.length))
                            + " values; give one int a pixel");
        }
        this.argb = argb;
        this.width = width;
        this.height = height;
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
    public void read(int left, int top, int partWidth, int partHeight, byte[] rgb) {
        int to = 0;
        for (int y = top; y < top + partHeight; y++) {
            int from = y * width + left;
            for (int x = 0; x < partWidth; x++) {
                int pixel = argb[from++];
                rgb[to++] = (byte) (pixel >> 16);
                rgb[to++] = (byte) (pixel >> 8);
                rgb[to++] = (byte) pixel;
            }
        }
    }
}
