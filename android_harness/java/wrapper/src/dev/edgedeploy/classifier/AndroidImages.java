package dev.edgedeploy.classifier;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.Rect;
import android.media.Image;
import java.nio.ByteBuffer;

/** Pixels of Android's own kinds of pictures. */
final class AndroidImages implements PhotoDecoder {
    private static final int YUV_420_888 = 35; // ImageFormat.YUV_420_888

    /**
     * Decodes with the phone's own decoder, at full size.
     *
     * <p>The bytes of the pixels are taken as they are stored: neither turned into another colour
     * space nor multiplied with their transparency.
     */
    @Override
    public PixelSource decode(byte[] file) {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(file, 0, file.length, options);
        if (options.outWidth < 1 || options.outHeight < 1) {
            throw new ClassifierException(
                    "the stream is no photo that this phone can decode; give a JPEG or PNG");
        }
        if ((long) options.outWidth * options.outHeight > PhotoFitting.LARGEST_PIXELS) {
            throw new ClassifierException(
                    "the photo has " + options.outWidth + " x " + options.outHeight
                            + " pixels, which is too many; make it smaller first");
        }
        options.inJustDecodeBounds = false;
        options.inPreferredConfig = Bitmap.Config.ARGB_8888;
        options.inPremultiplied = false;
        options.inScaled = false;
        Bitmap bitmap;
        try {
            bitmap = BitmapFactory.decodeByteArray(file, 0, file.length, options);
            if (bitmap == null) {
                throw new ClassifierException(
                        "the photo is damaged and cannot be decoded; give another");
            }
            return BitmapPixels.owning(bitmap);
        } catch (OutOfMemoryError error) {
            throw new ClassifierException(
                    "the photo of " + options.outWidth + " x " + options.outHeight
                            + " pixels needs more memory than there is; make it smaller first",
                    error);
        }
    }

    /** The pixels of a bitmap, which must not change until they are read. */
    static PixelSource of(Bitmap bitmap) {
        if (bitmap == null) {
            throw new ClassifierException("the bitmap is null; give one with pixels");
        }
        if (bitmap.isRecycled()) {
            throw new ClassifierException("the bitmap is recycled; classify it before");
        }
        try {
            return BitmapPixels.of(bitmap);
        } catch (OutOfMemoryError error) {
            throw new ClassifierException(
                    "the bitmap of " + bitmap.getWidth() + " x " + bitmap.getHeight()
                            + " pixels needs more memory than there is; make it smaller first",
                    error);
        }
    }

    /** The frame of a camera, cut as its crop rectangle says; {@code image} must stay open until it is classified. */
    static PixelSource of(Image image) {
        if (image == null) {
            throw new ClassifierException("the camera image is null; give one that is open");
        }
        try {
            return frame(image);
        } catch (IllegalStateException error) { // what Android's own images throw then
            throw new ClassifierException(
                    "the camera image cannot be read (" + error.getMessage() + "); classify it "
                            + "before it is closed", error);
        }
    }

    private static PixelSource frame(Image image) {
        if (image.getFormat() != YUV_420_888) {
            throw new ClassifierException(
                    "the camera image has the format " + image.getFormat()
                            + "; ask the camera for YUV_420_888");
        }
        Image.Plane[] planes = image.getPlanes();
        ByteBuffer[] buffers = new ByteBuffer[planes.length];
        int[] rowStrides = new int[planes.length];
        int[] pixelStrides = new int[planes.length];
        for (int i = 0; i < planes.length; i++) {
            buffers[i] = planes[i].getBuffer();
            rowStrides[i] = planes[i].getRowStride();
            pixelStrides[i] = planes[i].getPixelStride();
        }
        PixelSource whole = new YuvFrame(
                buffers, rowStrides, pixelStrides, image.getWidth(), image.getHeight());
        Rect part = image.getCropRect();
        return Cropped.of(whole, part.left, part.top, part.right, part.bottom);
    }
}
