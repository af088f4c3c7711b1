package dev.edgedeploy.classifier;

/** The part of a photo that the model sees. */
final class CenterBox {
    final int left;
    final int top;
    final int width;
    final int height;

    private CenterBox(int left, int top, int width, int height) {
        this.left = left;
        this.top = top;
        this.width = width;
        this.height = height;
    }

    static CenterBox whole(PixelSource photo) {
        return new CenterBox(0, 0, photo.width(), photo.height());
    }

    /**
     * The largest centred box with the aspect ratio of {@code targetWidth} x
     * {@code targetHeight}, times {@code fraction}; integers are rounded down.
     */
    static CenterBox of(PixelSource photo, int targetWidth, int targetHeight, double fraction) {
        long width = photo.width();
        long height = photo.height();
        long boxWidth = width;
        long boxHeight = height;
        if (width * targetHeight > height * targetWidth) {
            boxWidth = height * targetWidth / targetHeight;
        } else {
            boxHeight = width * targetHeight / targetWidth;
        }
        boxWidth = Math.max(1, (long) (boxWidth * fraction));
        boxHeight = Math.max(1, (long) (boxHeight * fraction));
        int left = (int) ((width - boxWidth) / 2);
        int top = (int) ((height - boxHeight) / 2);
        return new CenterBox(left, top, (int) boxWidth, (int) boxHeight);
    }
}
