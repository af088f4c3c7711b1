package dev.edgedeploy.classifier;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Whether a model answers on this phone as it did where its bundle was built.
 *
 * <p>Golden inputs are run and held against golden outputs; golden photos are decoded and prepared
 * and held against golden tensors. Each case says how near it must come: for a model in integers
 * one code, or a cosine of 0.99 with the same best class; floats to 1e-5 of the largest.
 */
public final class SelfTest {
    private static final String FORMAT = "edge-deploy golden";
    private final List<Check> checks;

    private SelfTest(List<Check> checks) {
        this.checks = Collections.unmodifiableList(checks);
    }

    /** Whether every check passed; there is always at least one. */
    public boolean passed() {
        for (Check check : checks) {
            if (!check.passed()) {
                return false;
            }
        }
        return !checks.isEmpty();
    }

    public List<Check> checks() {
        return checks;
    }

    /** All checks, a line each. */
    @Override
    public String toString() {
        StringBuilder lines = new StringBuilder();
        for (Check check : checks) {
            lines.append(lines.length() > 0 ? "\n" : "").append(check);
        }
        return lines.toString();
    }

    /** Runs all; throws where golden files are missing or make no sense. */
    static SelfTest run(PhotoClassifier classifier, ModelFiles files) {
        JsonFields record = JsonFields.parse(files.text("golden/golden.json"), "golden.json");
        if (!FORMAT.equals(record.text("format")) || record.integer("version") != 1) {
            throw new ClassifierException(
                    "golden.json is of another format or version; build the bundle again");
        }
        List<Check> checks = new ArrayList<>();
        for (JsonFields test : fastSet(record).objects("cases")) {
            checks.add(runCase(classifier, files, record, test));
        }
        for (JsonFields photo : record.objects("photos")) {
            checks.add(preparePhoto(classifier, files, photo));
        }
        if (checks.isEmpty()) {
            throw new ClassifierException(
                    "golden.json has no cases to compare; build the bundle again");
        }
        return new SelfTest(checks);
    }

    /** The answers of the fast kernels of the maintained runtime. */
    private static JsonFields fastSet(JsonFields record) {
        for (JsonFields set : record.objects("sets")) {
            boolean litert = set.list("runtimes").contains("ai_edge_litert");
            if (litert && set.text("kernels").equals("xnnpack")) {
                return set;
            }
        }
        throw new ClassifierException(
                "golden.json has no answers of the fast kernels; build the bundle again");
    }

    private static Check runCase(
            PhotoClassifier classifier, ModelFiles files, JsonFields record, JsonFields test) {
        int number = test.integer("input");
        List<?> inputs = record.list("inputs");
        boolean known = number >= 0 && number < inputs.size()
                && inputs.get(number) instanceof List && ((List<?>) inputs.get(number)).size() == 1;
        List<JsonFields> outputs = test.objects("outputs");
        if (!known || outputs.size() != 1) {
            throw new ClassifierException(
                    "golden.json: case " + (number + 1) + " is not one input and one output; "
                            + "build the bundle again");
        }
        NpyArray input = array(files, String.valueOf(((List<?>) inputs.get(number)).get(0)));
        String title = "input " + (number + 1);
        TensorSpec wanted = classifier.contract.input;
        if (!wanted.sameKind(input.spec.shape(), input.spec.dtype)) {
            return new Check(title, String.valueOf(input.spec), String.valueOf(wanted), false);
        }
        byte[] answer = classifier.run(input.bytes);
        NpyArray golden = array(files, outputs.get(0).text("file"));
        return GoldenRule.compare(
                title, classifier.contract.output, answer, golden, outputs.get(0).object("rule"));
    }

    private static Check preparePhoto(
            PhotoClassifier classifier, ModelFiles files, JsonFields photo) {
        String title = "photo " + photo.text("file");
        NpyArray golden = array(files, photo.text("tensor"));
        byte[] tensor;
        try {
            byte[] file = files.bytes("golden/" + photo.text("file"));
            try (PixelSource pixels = classifier.decode(file)) {
                tensor = classifier.prepare(pixels);
            }
        } catch (ClassifierException error) {
            return new Check(title, "not decoded: " + error.getMessage(), "decoded", false);
        }
        return GoldenRule.compare(
                title, classifier.contract.input, tensor, golden, photo.object("rule"));
    }

    private static NpyArray array(ModelFiles files, String name) {
        return NpyArray.parse(files.bytes("golden/" + name), name);
    }
}
