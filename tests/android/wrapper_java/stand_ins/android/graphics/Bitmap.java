package android.graphics;

import java.nio.Buffer;
import java.nio.ByteBuffer;

/**
 * Stands in for Android's, which needs its native library: pixels as they are stored, 0xAARRGGBB,
 * multiplied with their transparency or not, in a colour space that is sRGB or another.
 */
public final class Bitmap {
    /** The configurations that the wrapper tells apart. */
    public enum Config { RGB_565, ARGB_8888, RGBA_F16, HARDWARE }

    private final int[] stored;
    private final int width;
    private final int height;
    private final Config config;
    private final boolean alpha;
    private boolean premultiplied;
    private ColorSpace space;
    private boolean recycled;
    /** Of all bitmaps that were made: those that are not recycled, and the bytes taken whole. */
    public static int alive;
    public static long copiedBytes;

    public Bitmap(
            int[] argb, int width, int height, Config config, boolean alpha,
            boolean premultiplied, ColorSpace space) {
        this.stored = argb.clone();
        this.width = width;
        this.height = height;
        this.config = config;
        this.alpha = alpha;
        this.premultiplied = premultiplied;
        this.space = space;
        alive++;
        if (premultiplied) {
            for (int i = 0; i < stored.length; i++) {
                stored[i] = multiplied(stored[i]);
            }
        }
    }

    private static int multiplied(int argb) {
        int alpha = argb >>> 24;
        int made = alpha << 24;
        for (int shift = 0; shift <= 16; shift += 8) {
            made |= ((argb >> shift & 0xff) * alpha + 127) / 255 << shift;
        }
        return made;
    }

    public int getWidth() {
        return width;
    }

    public int getHeight() {
        return height;
    }

    public Config getConfig() {
        return config;
    }

    public boolean hasAlpha() {
        return alpha;
    }

    public boolean isPremultiplied() {
        return premultiplied;
    }

    public boolean isRecycled() {
        return recycled;
    }

    public void recycle() {
        alive -= recycled ? 0 : 1;
        recycled = true;
    }

    public int getRowBytes() {
        return 4 * width;
    }

    public int getByteCount() {
        return getRowBytes() * height;
    }

    public ColorSpace getColorSpace() {
        return space;
    }

    public Bitmap copy(Config wanted, boolean mutable) {
        Bitmap copy = new Bitmap(stored, width, height, wanted, alpha, false, space);
        copy.premultiplied = premultiplied;
        return copy;
    }

    /** The pixels stay; from Android 10. */
    public void setColorSpace(ColorSpace wanted) {
        if (android.os.Build.VERSION.SDK_INT < 29) {
            throw new NoSuchMethodError("setColorSpace");
        }
        space = wanted;
    }

    /** As Android: divided by their transparency, and turned into sRGB (here: red and blue swap). */
    public void getPixels(int[] pixels, int offset, int stride, int x, int y, int w, int h) {
        if (config != Config.ARGB_8888) {
            throw new IllegalStateException("the pixels of " + config + " cannot be read");
        }
        for (int row = 0; row < h; row++) {
            for (int column = 0; column < w; column++) {
                int argb = stored[(y + row) * width + x + column];
                if (premultiplied) {
                    argb = divided(argb);
                }
                if (space != null && !space.isSrgb()) {
                    argb = argb & 0xff00ff00 | (argb & 0xff) << 16 | argb >> 16 & 0xff;
                }
                pixels[offset + row * stride + column] = argb;
            }
        }
    }

    private static int divided(int argb) {
        int alpha = argb >>> 24;
        int made = alpha << 24;
        for (int shift = 0; shift <= 16 && alpha > 0; shift += 8) {
            made |= Math.min(255, ((argb >> shift & 0xff) * 255 + alpha / 2) / alpha) << shift;
        }
        return made;
    }

    /** As it lies in a phone's memory: red, green, blue, alpha. */
    public void copyPixelsToBuffer(Buffer buffer) {
        ByteBuffer bytes = (ByteBuffer) buffer;
        copiedBytes += getByteCount();
        for (int argb : stored) {
            bytes.put((byte) (argb >> 16)).put((byte) (argb >> 8)).put((byte) argb);
            bytes.put((byte) (argb >>> 24));
        }
    }
}
