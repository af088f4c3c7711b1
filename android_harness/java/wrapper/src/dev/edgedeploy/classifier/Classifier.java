package dev.edgedeploy.classifier;

import android.content.Context;
import android.graphics.Bitmap;
import android.media.Image;
import android.os.Build;
import java.io.Closeable;
import java.io.File;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Classifies photos with one model, offline, with the answers of the notebook.
 *
 * <pre>{@code
 * try (Classifier classifier = Classifier.fromAssets(context)) {
 *     Result best = classifier.classify(bitmap).best();
 * }
 * }</pre>
 *
 * <p>All methods may be called from several threads: photos are prepared side by side and the
 * model answers them one after the other. {@code close} waits for an inference that runs; what is
 * asked later is refused. Each call takes milliseconds: do not call on the main thread.
 *
 * <p>Whatever cannot be done is a {@link ClassifierException} with one sentence.
 */
public final class Classifier implements Closeable {
    private static final int FIRST_NNAPI = 27;
    private final PhotoClassifier core;
    private final ModelFiles files;

    private Classifier(ModelFiles files, Options options) {
        this.files = files;
        this.core = PhotoClassifier.open(files, options, new AndroidImages());
    }

    /** Opens the model in the app's assets with {@link Options#defaults()}. */
    public static Classifier fromAssets(Context context) {
        return fromAssets(context, Options.defaults());
    }

    /**
     * Opens the model in the app's assets: maps it into memory, checks its sha256 and loads it.
     * Throws where it is missing, compressed or damaged, or where the delegate is not to be had.
     */
    public static Classifier fromAssets(Context context, Options options) {
        if (context == null || options == null) {
            throw new ClassifierException(
                    "the context or the options are null; give Options.defaults() for the latter");
        }
        if (options.delegate() == Delegate.NNAPI && Build.VERSION.SDK_INT < FIRST_NNAPI) {
            throw new ClassifierException(
                    "the delegate NNAPI needs Android 8.1; use Delegate.XNNPACK");
        }
        return new Classifier(
                new AssetModel(context.getAssets(), options.assetFolder()), options);
    }

    /** As {@link #fromAssets}, of a folder with the same files, such as a downloaded model's. */
    public static Classifier fromFolder(File folder, Options options) {
        if (folder == null || options == null) {
            throw new ClassifierException(
                    "the folder or the options are null; give Options.defaults() for the latter");
        }
        return new Classifier(new FolderFiles(folder), options);
    }

    /** An upright bitmap of any configuration; transparency is dropped. */
    public Answer classify(Bitmap bitmap) {
        long start = System.nanoTime();
        PixelSource pixels = AndroidImages.of(bitmap);
        return core.classify(pixels, System.nanoTime() - start);
    }

    /** A JPEG or PNG, turned as its EXIF says; the stream is read to its end and stays open. */
    public Answer classify(InputStream stream) {
        return core.classify(PhotoFile.read(stream));
    }

    /**
     * A camera frame of YUV_420_888, BT.601 with full range, cut as its own crop rectangle says
     * (CameraX keeps another in {@code ImageProxy}; give it to the image with setCropRect).
     *
     * @param rotationDegrees how it must be turned clockwise to be upright: 0, 90, 180 or 270, as
     *     CameraX's {@code ImageInfo.getRotationDegrees()} says it. The image stays open.
     */
    public Answer classify(Image yuv, int rotationDegrees) {
        return core.classify(
                Upright.of(AndroidImages.of(yuv), Upright.clockwise(rotationDegrees)), 0);
    }

    /**
     * A frame of 4:2:0 in three planes Y, U (Cb), V (Cr), read from their buffers' positions.
     *
     * @param rowStrides bytes from a row to the next, for each plane
     * @param pixelStrides bytes from a sample to the next: 1, 1, 1 for I420; 1, 2, 2 for NV12 and
     *     NV21, whose U and V planes begin one byte apart
     * @param rotationDegrees clockwise: 0, 90, 180 or 270
     */
    public Answer classifyYuv(
            ByteBuffer[] planes, int[] rowStrides, int[] pixelStrides, int width, int height,
            int rotationDegrees) {
        YuvFrame frame = new YuvFrame(planes, rowStrides, pixelStrides, width, height);
        return core.classify(Upright.of(frame, Upright.clockwise(rotationDegrees)), 0);
    }

    /** Upright pixels, 0xAARRGGBB row by row, not premultiplied; transparency is dropped. */
    public Answer classifyPixels(int[] argb, int width, int height) {
        return core.classify(new ArgbPixels(argb, width, height), 0);
    }

    /** The names of the classes by their number; empty where the model has none. */
    public List<String> labels() {
        return core.labels;
    }

    /** Holds the model's answers on this phone against those of the machine that built it. */
    public SelfTest selfTest() {
        return SelfTest.run(core, files);
    }

    /** Frees the model; a second time it does nothing. */
    @Override
    public void close() {
        core.close();
    }
}
