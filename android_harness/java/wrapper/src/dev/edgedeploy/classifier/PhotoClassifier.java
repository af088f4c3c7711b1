package dev.edgedeploy.classifier;

import java.io.Closeable;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.List;

/** A loaded classifier with its contract and labels, without anything of Android. */
final class PhotoClassifier implements Closeable {
    final ModelContract contract;
    final List<String> labels;
    private final ModelRunner runner;
    private final InputEncoding encoding;
    private final PhotoDecoder decoder;
    private final int topK;
    private volatile boolean closed;

    private PhotoClassifier(
            ModelContract contract, List<String> labels, ModelRunner runner,
            PhotoDecoder decoder, int topK) {
        this.contract = contract;
        this.labels = labels;
        this.runner = runner;
        this.encoding = new InputEncoding(contract.preprocessing, contract.input);
        this.decoder = decoder;
        this.topK = topK;
    }

    /** Reads the contract, checks the model's sha256 and loads it. */
    static PhotoClassifier open(ModelFiles files, Options options, PhotoDecoder decoder) {
        ModelContract contract = ModelContract.parse(files.text("contract.json"));
        List<String> labels = Collections.emptyList();
        if (contract.labelsFile != null) {
            labels = Labels.parse(
                    files.text(contract.labelsFile), contract.labelsFile, contract.classes(),
                    contract.preprocessing.backgroundClass);
        }
        ByteBuffer model = files.map(contract.modelFile);
        ModelHash.check(model, contract, files.place());
        ModelRunner runner = ModelRunner.open(model, contract, options);
        return new PhotoClassifier(contract, labels, runner, decoder, options.topK());
    }

    /** A photo from the bytes of its file, turned as its EXIF says. */
    Answer classify(byte[] file) {
        checkOpen();
        long start = System.nanoTime();
        PixelSource photo = decode(file);
        return classify(photo, System.nanoTime() - start);
    }

    /** The upright photo in a file, where the contract says that photos are turned. */
    PixelSource decode(byte[] file) {
        PhotoFile.checkWhole(file);
        PixelSource stored = decoder.decode(file);
        boolean turn = contract.preprocessing.exifTranspose;
        return Upright.of(stored, turn ? ExifOrientation.of(file) : 1);
    }

    /** An upright photo, which is closed. */
    Answer classify(PixelSource photo, long decodeNs) {
        long start = System.nanoTime();
        byte[] tensor;
        try (PixelSource open = photo) {
            checkOpen();
            tensor = prepare(open);
        }
        long prepared = System.nanoTime();
        float[] raw = scores(tensor);
        long done = System.nanoTime();
        float[] scores = contract.logits ? Scores.softmax(raw) : raw;
        List<Result> results = Scores.top(raw, scores, labels, topK);
        return new Answer(results, new Timing(decodeNs, prepared - start, done - prepared));
    }

    /** The input tensor, in the machine's byte order. */
    byte[] prepare(PixelSource photo) {
        byte[] pixels = PhotoFitting.fit(
                photo, contract.preprocessing, contract.width(), contract.height());
        return encoding.encode(pixels);
    }

    /** The answers of all classes, dequantized. */
    float[] scores(byte[] tensor) {
        float[] raw = Scores.dequantize(runner.run(tensor), contract.output);
        Scores.checkFinite(raw, contract.modelFile);
        return raw;
    }

    /** The output tensor as the runtime gives it, in the machine's byte order. */
    byte[] run(byte[] tensor) {
        return runner.run(tensor);
    }

    private void checkOpen() {
        if (closed) {
            throw new ClassifierException("the classifier of " + contract.modelFile
                    + " is closed; open another with Classifier.fromAssets");
        }
    }

    @Override
    public void close() {
        closed = true;
        runner.close();
    }
}
