package dev.edgedeploy.classifier;

import android.graphics.Bitmap;
import android.graphics.ColorSpace;
import android.os.Build;
import java.nio.ByteBuffer;

/**
 * The pixels of a bitmap, not multiplied with their transparency.
 *
 * <p>Of a bitmap in another colour space than sRGB, {@code getPixels} would convert them; the
 * colours that are stored are taken instead, as Python takes those of a file. From Android 10 the
 * pixels of a bitmap of our own are called sRGB for that; before, they are copied whole.
 */
final class BitmapPixels implements PixelSource {
    private final Bitmap bitmap;
    private final boolean own;
    /** Red, green, blue, alpha, or null where the bitmap is asked. */
    private final byte[] rgba;
    private int[] argb = new int[0];

    private BitmapPixels(Bitmap bitmap, boolean own) {
        this.bitmap = bitmap;
        this.own = own;
        rgba = isConverted(bitmap) ? stored(bitmap) : null;
    }

    /** Of a caller's bitmap, which is left as it is. */
    static BitmapPixels of(Bitmap bitmap) {
        boolean readable = bitmap.getConfig() == Bitmap.Config.ARGB_8888;
        boolean renamed = Build.VERSION.SDK_INT >= 29 && isConverted(bitmap);
        if (readable && !renamed) {
            return new BitmapPixels(bitmap, false);
        }
        return ours(copied(bitmap));
    }

    /** Of a bitmap that nobody else has; it is recycled with the source. */
    static BitmapPixels owning(Bitmap bitmap) {
        if (bitmap.getConfig() == Bitmap.Config.ARGB_8888) {
            return ours(bitmap);
        }
        try {
            return ours(copied(bitmap));
        } finally {
            bitmap.recycle();
        }
    }

    private static BitmapPixels ours(Bitmap bitmap) {
        try {
            if (Build.VERSION.SDK_INT >= 29 && isConverted(bitmap)) {
                callSrgb(bitmap);
            }
            return new BitmapPixels(bitmap, true);
        } catch (RuntimeException | Error error) {
            bitmap.recycle();
            throw error;
        }
    }

    /** Without a change of the pixels. */
    private static void callSrgb(Bitmap bitmap) {
        try {
            bitmap.setColorSpace(ColorSpace.get(ColorSpace.Named.SRGB));
        } catch (IllegalArgumentException error) {
            return; // a space of a wider range: the pixels are copied instead
        }
    }

    /** Not in the GPU's memory, and 8 bits a channel. */
    private static Bitmap copied(Bitmap bitmap) {
        Bitmap copy = bitmap.copy(Bitmap.Config.ARGB_8888, false);
        if (copy == null) {
            throw new ClassifierException(
                    "the bitmap of " + bitmap.getConfig() + " cannot be copied; give one of "
                            + "ARGB_8888");
        }
        return copy;
    }

    private static boolean isConverted(Bitmap bitmap) {
        return Build.VERSION.SDK_INT >= 26 && bitmap.getColorSpace() != null
                && !bitmap.getColorSpace().isSrgb();
    }

    /** The bytes in memory, or null where they are multiplied with a transparency. */
    private static byte[] stored(Bitmap bitmap) {
        if (bitmap.getRowBytes() != 4 * bitmap.getWidth()) {
            return null;
        }
        byte[] bytes = new byte[bitmap.getByteCount()];
        bitmap.copyPixelsToBuffer(ByteBuffer.wrap(bytes));
        if (bitmap.hasAlpha() && bitmap.isPremultiplied()) {
            for (int at = 3; at < bytes.length; at += 4) {
                if (bytes[at] != (byte) 0xff) {
                    return null;
                }
            }
        }
        return bytes;
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
    public void close() {
        if (own) {
            bitmap.recycle();
        }
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
