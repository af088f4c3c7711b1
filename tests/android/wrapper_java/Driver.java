package dev.edgedeploy.classifier;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import javax.imageio.ImageIO;

/**
 * Runs the wrapper's parts on a desktop JVM: a command a line, its words apart by tabs; for each
 * one line, "ok" and what it found, or "error" and the sentence of the exception.
 */
public final class Driver {
    private Driver() {}

    public static void main(String[] args) throws Exception {
        StringBuilder said = new StringBuilder();
        for (String line : Files.readAllLines(Paths.get(args[0]), StandardCharsets.UTF_8)) {
            try {
                String found = command(line.split("\t"));
                said.append("ok\t").append(found).append('\n');
            } catch (ClassifierException error) {
                said.append("error\t").append(error.getMessage().replace('\n', ' ')).append('\n');
            }
        }
        System.out.write(said.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    private static String command(String[] words) throws Exception {
        switch (words[0]) {
            case "prepare":
                return prepare(words);
            case "yuv":
                return yuv(words);
            case "orientation":
                return String.valueOf(ExifOrientation.of(bytes(words[1])));
            case "whole":
                PhotoFile.checkWhole(bytes(words[1]));
                return "whole";
            case "contract":
                ModelContract.parse(text(words[1]));
                return "read";
            case "scores":
                return scores(words);
            case "file":
                return file(words);
            case "pixels":
                return pixels(words);
            case "selftest":
                return selfTest(words);
            case "rule":
                return rule(words);
            case "closed":
                return closed(words);
            case "many":
                return many(words);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    /** contract, RGB file, width, height, orientation, output. */
    private static String prepare(String[] words) throws IOException {
        ModelContract contract = ModelContract.parse(text(words[1]));
        PixelSource stored = argb(words[2], number(words[3]), number(words[4]));
        PixelSource photo = Upright.of(stored, number(words[5]));
        byte[] pixels = PhotoFitting.fit(
                photo, contract.preprocessing, contract.width(), contract.height());
        write(words[6], new InputEncoding(contract.preprocessing, contract.input).encode(pixels));
        return photo.width() + "x" + photo.height();
    }

    /** file, three offsets, three row strides, three pixel strides, width, height, degrees, out. */
    private static String yuv(String[] words) throws IOException {
        byte[] file = bytes(words[1]);
        ByteBuffer[] planes = new ByteBuffer[3];
        int[] rows = new int[3];
        int[] pixels = new int[3];
        for (int i = 0; i < 3; i++) {
            planes[i] = ByteBuffer.wrap(file);
            planes[i].position(number(words[2 + i]));
            rows[i] = number(words[5 + i]);
            pixels[i] = number(words[8 + i]);
        }
        YuvFrame frame = new YuvFrame(planes, rows, pixels, number(words[11]), number(words[12]));
        PixelSource photo = Upright.of(frame, Upright.clockwise(number(words[13])));
        // In odd parts, as a crop and strips would read it.
        byte[] rgb = new byte[3 * photo.width() * photo.height()];
        byte[] part = new byte[3 * photo.width() * photo.height()];
        int split = photo.width() / 2 + 1;
        for (int y = 0; y < photo.height(); y++) {
            photo.read(0, y, split, 1, part);
            System.arraycopy(part, 0, rgb, 3 * y * photo.width(), 3 * split);
            if (split < photo.width()) {
                photo.read(split, y, photo.width() - split, 1, part);
                System.arraycopy(part, 0, rgb, 3 * (y * photo.width() + split),
                        3 * (photo.width() - split));
            }
        }
        write(words[14], rgb);
        return photo.width() + "x" + photo.height();
    }

    /** contract, raw output tensor, k. */
    private static String scores(String[] words) throws IOException {
        ModelContract contract = ModelContract.parse(text(words[1]));
        float[] raw = Scores.dequantize(bytes(words[2]), contract.output);
        Scores.checkFinite(raw, contract.modelFile);
        float[] scores = contract.logits ? Scores.softmax(raw) : raw;
        List<String> none = java.util.Collections.emptyList();
        return listed(Scores.top(raw, scores, none, number(words[3])));
    }

    /** folder, delegate, threads, photo: through the JVM's own decoder. */
    private static String file(String[] words) throws IOException {
        Options options = Options.defaults().delegate(Delegate.valueOf(words[2]))
                .threads(number(words[3]));
        FolderFiles files = new FolderFiles(new File(words[1]));
        PhotoDecoder decoder = new ImageIoDecoder();
        try (PhotoClassifier classifier = PhotoClassifier.open(files, options, decoder)) {
            return listed(classifier.classify(bytes(words[4])).results());
        }
    }

    /** folder, delegate, threads, RGB file, width, height: through the public class. */
    private static String pixels(String[] words) throws IOException {
        Options options = Options.defaults().delegate(Delegate.valueOf(words[2]))
                .threads(number(words[3]));
        try (Classifier classifier = Classifier.fromFolder(new File(words[1]), options)) {
            int[] argb = ints(words[4]);
            Answer answer = classifier.classifyPixels(argb, number(words[5]), number(words[6]));
            if (!(answer.timing().totalMs() > 0)) {
                throw new AssertionError("an answer took no time");
            }
            return listed(answer.results());
        }
    }

    /** folder. */
    private static String selfTest(String[] words) {
        FolderFiles files = new FolderFiles(new File(words[1]));
        try (PhotoClassifier classifier =
                PhotoClassifier.open(files, Options.defaults(), new ImageIoDecoder())) {
            SelfTest test = SelfTest.run(classifier, files);
            return test.passed() + "\t" + test.toString().replace('\n', '\t');
        }
    }

    /** JSON of a rule, found and golden tensor as NumPy files. */
    private static String rule(String[] words) throws IOException {
        NpyArray found = NpyArray.parse(bytes(words[2]), words[2]);
        NpyArray golden = NpyArray.parse(bytes(words[3]), words[3]);
        JsonFields rule = JsonFields.parse(text(words[1]), words[1]);
        Check check = GoldenRule.compare("a", found.spec, found.bytes, golden, rule);
        return check.passed() + "\t" + check;
    }

    /** folder: what a closed classifier says. */
    private static String closed(String[] words) {
        Classifier classifier = Classifier.fromFolder(new File(words[1]), Options.defaults());
        classifier.close();
        classifier.close();
        classifier.classifyPixels(new int[100], 10, 10);
        return "answered";
    }

    /** folder, threads, RGB file, width, height: many threads, one classifier, one answer. */
    private static String many(String[] words) throws Exception {
        int[] argb = ints(words[3]);
        int width = number(words[4]);
        int height = number(words[5]);
        java.util.Set<String> answers = java.util.Collections.synchronizedSet(
                new java.util.TreeSet<>());
        try (Classifier classifier =
                Classifier.fromFolder(new File(words[1]), Options.defaults().threads(1))) {
            Thread[] threads = new Thread[number(words[2])];
            for (int i = 0; i < threads.length; i++) {
                threads[i] = new Thread(() -> {
                    for (int k = 0; k < 10; k++) {
                        try {
                            answers.add(listed(classifier.classifyPixels(argb, width, height)
                                    .results()));
                        } catch (RuntimeException error) {
                            answers.add(error.toString());
                        }
                    }
                });
                threads[i].start();
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        return answers.size() + "\t" + String.join("\t", answers);
    }

    private static String listed(List<Result> results) {
        StringBuilder made = new StringBuilder();
        for (Result result : results) {
            made.append(made.length() > 0 ? "\t" : "").append(result.index()).append('|')
                    .append(result.label()).append('|').append(result.score()).append('|')
                    .append(result.raw());
        }
        return made.toString();
    }

    static final class ImageIoDecoder implements PhotoDecoder {
        @Override
        public PixelSource decode(byte[] file) {
            try {
                BufferedImage image = ImageIO.read(new ByteArrayInputStream(file));
                if (image == null) {
                    throw new ClassifierException("the stream is no photo");
                }
                int width = image.getWidth();
                int height = image.getHeight();
                return new ArgbPixels(
                        image.getRGB(0, 0, width, height, null, 0, width), width, height);
            } catch (IOException error) {
                throw new ClassifierException("the photo is damaged", error);
            }
        }
    }

    private static PixelSource argb(String file, int width, int height) throws IOException {
        return new ArgbPixels(ints(file), width, height);
    }

    /** RGB triples as ints whose transparency, which is to be dropped, is another in each. */
    private static int[] ints(String file) throws IOException {
        byte[] rgb = bytes(file);
        int[] argb = new int[rgb.length / 3];
        for (int i = 0; i < argb.length; i++) {
            argb[i] = i << 24 | (rgb[3 * i] & 0xff) << 16 | (rgb[3 * i + 1] & 0xff) << 8
                    | rgb[3 * i + 2] & 0xff;
        }
        return argb;
    }

    private static String text(String file) throws IOException {
        return new String(bytes(file), StandardCharsets.UTF_8);
    }

    private static byte[] bytes(String file) throws IOException {
        return Files.readAllBytes(Paths.get(file));
    }

    private static void write(String file, byte[] bytes) throws IOException {
        Path path = Paths.get(file);
        Files.write(path, bytes);
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }
}
