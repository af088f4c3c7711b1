package dev.edgedeploy.classifier;

import android.graphics.Bitmap;
import android.os.Build;
import java.nio.ByteBuffer;

/**
 * The pixels of a bitmap of ARGB_8888, not multiplied with their transparency.
 *
 * <p>Of a bitmap in another colour space than sRGB, {@code getPixels} would convert them; the
 * colours that are stored are taken instead, as Python takes those of a file.
 */
final class BitmapPixels implements PixelSource {
    private final Bitmap bitmap;
    /** Red, green, blue, alpha, or null where the bitmap is asked. */
    private final byte[] rgba;
    private int[] argb = new int[0];

    BitmapPixels(Bitmap bitmap) {
        this.bitmap = bitmap;
        boolean plain = !bitmap.hasAlpha() || !bitmap.isPremultiplied();
        boolean packed = bitmap.getRowBytes() == 4 * bitmap.getWidth();
        if (isConverted(bitmap) && plain && packed) {
            rgba = new byte[bitmap.getByteCount()];
            bitmap.copyPixelsToBuffer(ByteBuffer.wrap(rgba));
        } else {
            rgba = null;
        }
    }

    private static boolean isConverted(Bitmap bitmap) {
        return Build.VERSION.SDK_INT >= 26 && bitmap.getColorSpace() != null
                && !bitmap.getColorSpace().isSrgb();
    }

    @Override
    public int width() {
        return bitmap.getWidth();
    }

    @Override
    public int height() {
        return bitmap.getHeight();
    }

    @Override
    public void read(int left, int top, int width, int height, byte[] rgb) {
        int to = 0;
        if (rgba != null) {
            for (int y = top; y < top + height; y++) {
                int from = 4 * (y * bitmap.getWidth() + left);
                for (int x = 0; x < width; x++, from += 4) {
                    rgb[to++] = rgba[from];
                    rgb[to++] = rgba[from + 1];
                    rgb[to++] = rgba[from + 2];
                }
            }
            return;
        }
        if (argb.length < width * height) {
            argb = new int[width * height];
        }
        bitmap.getPixels(argb, 0, width, left, top, width, height);
        for (int i = 0; i < width * height; i++) {
            rgb[to++] = (byte) (argb[i] >> 16);
            rgb[to++] = (byte) (argb[i] >> 8);
            rgb[to++] = (byte) argb[i];
        }
    }
}
