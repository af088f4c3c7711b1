package dev.edgedeploy.classifier;

import android.graphics.Bitmap;
import android.graphics.ColorSpace;
import android.graphics.Rect;
import android.media.Image;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;

/**
 * The public class with Android's pictures, over stand-ins for those that need native code:
 * a way a line, "ok" and the best class, or "error" and the sentence.
 */
public final class AndroidDriver {
    private AndroidDriver() {}

    private interface Way {
        Answer classify() throws Exception;
    }

    /** folder, photo. */
    public static void main(String[] args) throws Exception {
        byte[] file = Files.readAllBytes(Paths.get(args[1]));
        Classifier classifier = Classifier.fromFolder(new File(args[0]), Options.defaults());
        PixelSource photo = new Driver.ImageIoDecoder().decode(file);
        int width = photo.width();
        int height = photo.height();
        int[] argb = new int[width * height];
        byte[] rgb = new byte[3 * argb.length];
        photo.read(0, 0, width, height, rgb);
        for (int i = 0; i < argb.length; i++) {
            argb[i] = 0xff000000 | (rgb[3 * i] & 0xff) << 16 | (rgb[3 * i + 1] & 0xff) << 8
                    | rgb[3 * i + 2] & 0xff;
        }
        ColorSpace srgb = new ColorSpace(true);
        ColorSpace other = new ColorSpace(false);
        Bitmap.Config plain = Bitmap.Config.ARGB_8888;
        say("stream", () -> {
            try (InputStream stream = new FileInputStream(args[1])) {
                return classifier.classify(stream);
            }
        });
        for (Bitmap.Config config : Bitmap.Config.values()) {
            say(config.name(), () -> classifier.classify(
                    new Bitmap(argb, width, height, config, false, false, srgb)));
        }
        say("premultiplied", () -> classifier.classify(
                new Bitmap(argb, width, height, plain, true, true, srgb)));
        int[] clear = new int[argb.length];
        for (int i = 0; i < clear.length; i++) {
            clear[i] = argb[i] & 0xffffff;
        }
        say("transparent", () -> classifier.classify(
                new Bitmap(clear, width, height, plain, true, false, null)));
        say("other space", () -> classifier.classify(
                new Bitmap(argb, width, height, plain, false, true, other)));
        say("other space, premultiplied", () -> classifier.classify(
                new Bitmap(argb, width, height, plain, true, true, other)));
        Bitmap callers = new Bitmap(argb, width, height, plain, false, false, other);
        int alive = Bitmap.alive;
        Answer first = classifier.classify(callers);
        try (InputStream stream = new FileInputStream(args[1])) {
            classifier.classify(stream);
        }
        boolean untouched = !callers.isRecycled() && callers.getColorSpace() == other;
        System.out.println("bitmaps\t" + (Bitmap.alive - alive) + "\t" + untouched + "\t"
                + Bitmap.copiedBytes);
        say("again", () -> classifier.classify(callers));
        Image cut = frame(35, 64, 48);
        cut.setCropRect(new Rect(3, 5, 42, 40));
        say("crop", () -> classifier.classify(cut, 90));
        PixelSource part = AndroidImages.of(cut);
        byte[] inside = new byte[3 * 39 * 35];
        part.read(0, 0, part.width(), part.height(), inside);
        byte[] expected = new byte[inside.length];
        AndroidImages.of(frame(35, 64, 48)).read(3, 5, 39, 35, expected);
        System.out.println("crop pixels\t" + part.width() + "\t" + part.height() + "\t"
                + java.util.Arrays.equals(inside, expected));
        Image outside = frame(35, 64, 48);
        outside.setCropRect(new Rect(0, 0, 65, 48));
        say("crop outside", () -> classifier.classify(outside, 0));
        say("no memory", () -> classifier.classify(new InputStream() {
            @Override
            public int read() {
                throw new OutOfMemoryError("Failed to allocate");
            }
        }));
        say("pixels", () -> classifier.classifyPixels(argb, width, height));
        say("frame", () -> classifier.classify(frame(35, 64, 48), 90));
        say("yuv", () -> classifier.classifyYuv(buffers(64, 48), new int[] {64, 64, 64},
                new int[] {1, 2, 2}, 64, 48, 90));
        Bitmap gone = new Bitmap(argb, width, height, plain, false, false, null);
        gone.recycle();
        say("recycled", () -> classifier.classify(gone));
        say("no bitmap", () -> classifier.classify((Bitmap) null));
        say("no stream", () -> classifier.classify((InputStream) null));
        say("empty", () -> classifier.classify(new ByteArrayInputStream(new byte[0])));
        say("text", () -> classifier.classify(new ByteArrayInputStream("a text".getBytes())));
        say("cut", () -> classifier.classify(
                new ByteArrayInputStream(file, 0, file.length / 2)));
        say("no image", () -> classifier.classify((Image) null, 0));
        say("a JPEG image", () -> classifier.classify(frame(256, 64, 48), 0));
        Image closed = frame(35, 64, 48);
        closed.close();
        say("closed image", () -> classifier.classify(closed, 0));
        say("45 degrees", () -> classifier.classify(frame(35, 64, 48), 45));
        say("no context", () -> Classifier.fromAssets(null).classifyPixels(argb, width, height));
        classifier.close();
        say("closed", () -> classifier.classify(frame(35, 64, 48), 0));
    }

    private static void say(String name, Way way) throws Exception {
        try {
            Result best = way.classify().best();
            System.out.println(name + "\tok\t" + best.label() + "\t" + best.raw());
        } catch (ClassifierException error) {
            System.out.println(name + "\terror\t" + error.getMessage());
        }
    }

    /** NV12: dark, with colours that lean to red. */
    private static ByteBuffer[] buffers(int width, int height) {
        byte[] luma = new byte[width * height];
        for (int i = 0; i < luma.length; i++) {
            luma[i] = (byte) (80 + i % width / 8 + i / width / 4);
        }
        byte[] pairs = new byte[width * height / 2];
        for (int i = 0; i < pairs.length; i++) {
            pairs[i] = (byte) (i % 2 == 0 ? 90 : 240);
        }
        ByteBuffer v = ByteBuffer.wrap(pairs, 1, pairs.length - 1).slice();
        return new ByteBuffer[] {ByteBuffer.wrap(luma), ByteBuffer.wrap(pairs), v};
    }

    private static Image frame(int format, int width, int height) {
        ByteBuffer[] buffers = buffers(width, height);
        return new FakeImage(format, width, height, buffers);
    }
}
