package dev.edgedeploy.classifier;

/**
 * Stored pixels as they look when they are turned as EXIF says.
 *
 * <p>Orientation 2 mirrors left and right, 3 turns by 180 degrees, 4 mirrors top and bottom, 5
 * transposes, 6 turns clockwise by 90, 7 transposes along the other diagonal, 8 turns by 270.
 */
final class Upright implements PixelSource {
    private final PixelSource stored;
    private final int orientation;
    private byte[] part = new byte[0];

    private Upright(PixelSource stored, int orientation) {
        this.stored = stored;
        this.orientation = orientation;
    }

    /** {@code orientation} is 1 to 8. One source is for one thread. */
    static PixelSource of(PixelSource stored, int orientation) {
        return orientation == 1 ? stored : new Upright(stored, orientation);
    }

    /** The orientation that turns pixels clockwise by 0, 90, 180 or 270 degrees. */
    static int clockwise(int degrees) {
        switch (degrees) {
            case 0:
                return 1;
            case 90:
                return 6;
            case 180:
                return 3;
            case 270:
                return 8;
            default:
                throw new ClassifierException(
                        "the rotation is " + degrees + " degrees; give 0, 90, 180 or 270");
        }
    }

    private boolean turned() {
        return orientation >= 5;
    }

    @Override
    public int width() {
        return turned() ? stored.height() : stored.width();
    }

    @Override
    public int height() {
        return turned() ? stored.width() : stored.height();
    }

    @Override
    public void close() {
        stored.close();
    }

    @Override
    public void read(int left, int top, int width, int height, byte[] rgb) {
        // The part in the stored photo: sides swapped where it is turned, counted from the far
        // edge where it is mirrored.
        boolean fromRight = orientation == 2 || orientation == 3 || orientation >= 7;
        boolean fromBottom = orientation == 3 || orientation == 4 || orientation == 6
                || orientation == 7;
        int partWidth = turned() ? height : width;
        int partHeight = turned() ? width : height;
        int partLeft = turned() ? top : left;
        int partTop = turned() ? left : top;
        if (fromRight) {
            partLeft = stored.width() - partLeft - partWidth;
        }
        if (fromBottom) {
            partTop = stored.height() - partTop - partHeight;
        }
        if (part.length < 3 * partWidth * partHeight) {
            part = new byte[3 * partWidth * partHeight];
        }
        stored.read(partLeft, partTop, partWidth, partHeight, part);
        int alongX = fromRight ? -3 : 3;
        int alongY = (fromBottom ? -3 : 3) * partWidth;
        int origin = 3 * ((fromBottom ? partHeight - 1 : 0) * partWidth
                + (fromRight ? partWidth - 1 : 0));
        int columnStep = turned() ? alongY : alongX;
        int rowStep = turned() ? alongX : alongY;
        int to = 0;
        for (int v = 0; v < height; v++) {
            int from = origin + v * rowStep;
            for (int u = 0; u < width; u++, from += columnStep) {
                rgb[to++] = part[from];
                rgb[to++] = part[from + 1];
                rgb[to++] = part[from + 2];
            }
        }
    }
}
