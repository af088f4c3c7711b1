package android.graphics;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageIO;

/** Stands in for Android's decoder with the JVM's own; like it, it says null for what is none. */
public final class BitmapFactory {
    private BitmapFactory() {}

    /** The options that the wrapper sets and reads. */
    public static final class Options {
        public boolean inJustDecodeBounds;
        public boolean inPremultiplied = true;
        public boolean inScaled = true;
        public Bitmap.Config inPreferredConfig;
        public int outWidth = -1;
        public int outHeight = -1;
    }

    public static Bitmap decodeByteArray(byte[] file, int offset, int length, Options options) {
        BufferedImage image;
        try {
            image = ImageIO.read(new ByteArrayInputStream(file, offset, length));
        } catch (IOException error) {
            return null;
        }
        if (image == null) {
            return null;
        }
        options.outWidth = image.getWidth();
        options.outHeight = image.getHeight();
        if (options.inJustDecodeBounds) {
            return null;
        }
        int width = image.getWidth();
        return new Bitmap(
                image.getRGB(0, 0, width, image.getHeight(), null, 0, width), width,
                image.getHeight(), options.inPreferredConfig,
                image.getColorModel().hasAlpha(), options.inPremultiplied,
                new ColorSpace(!Boolean.getBoolean("photo.wide")));
    }
}
