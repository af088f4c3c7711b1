package dev.edgedeploy.classifier;

/** What {@code contract.json} says of the model: its file, tensors, photos and scores. */
final class ModelContract {
    static final String FORMAT = "edge-deploy android classifier";
    static final int VERSION = 2;
    private static final String FILE = "contract.json";

    final String name;
    final String modelFile;
    final String sha256;
    final long sizeBytes;
    final TensorSpec input;
    final TensorSpec output;
    final Preprocessing preprocessing;
    /** The name of the label file, or null. */
    final String labelsFile;
    final boolean logits;

    private ModelContract(JsonFields fields) {
        name = fields.text("name");
        JsonFields model = fields.object("model");
        modelFile = plainName(model.text("file"));
        sha256 = model.text("sha256");
        sizeBytes = (long) model.number("size_bytes");
        input = TensorSpec.from(fields.object("input"));
        output = TensorSpec.from(fields.object("output"));
        preprocessing = Preprocessing.from(fields.object("preprocessing"));
        labelsFile = fields.isNull("labels") ? null : plainName(fields.text("labels"));
        logits = fields.choice("scores", "probabilities", "logits").equals("logits");
        String layout = fields.object("input").choice("layout", "NHWC", "NCHW");
        checkInput(layout);
        if (classes() < 2 || output.count() != classes()) {
            throw new ClassifierException(
                    name + " answers with " + output + ", which is not one score a class; "
                            + "build the bundle of a classifier");
        }
    }

    /** Reads the text of {@code contract.json}. */
    static ModelContract parse(String text) {
        JsonFields fields = JsonFields.parse(text, FILE);
        if (!fields.has("format") || !FORMAT.equals(fields.text("format"))) {
            throw new ClassifierException(
                    FILE + " is not of an edge-deploy classifier; give the folder of a bundle");
        }
        if (fields.integer("version") != VERSION) {
            throw new ClassifierException(
                    FILE + " has version " + fields.integer("version") + ", this wrapper reads "
                            + VERSION + "; take both from one bundle");
        }
        return new ModelContract(fields);
    }

    int classes() {
        return output.rank() == 0 ? 0 : output.size(output.rank() - 1);
    }

    int width() {
        return input.size(preprocessing.channelsFirst ? 3 : 2);
    }

    int height() {
        return input.size(preprocessing.channelsFirst ? 2 : 1);
    }

    private void checkInput(String layout) {
        boolean first = preprocessing.channelsFirst;
        if (first != layout.equals("NCHW")) {
            throw new ClassifierException(
                    FILE + ": the layouts of input and preprocessing differ; "
                            + "build the bundle again");
        }
        boolean image = input.rank() == 4 && input.size(0) == 1;
        if (!image || input.size(first ? 1 : 3) != preprocessing.channels()) {
            throw new ClassifierException(
                    name + " takes " + input + ", which is not one " + preprocessing.colorOrder
                            + " photo; build the bundle again");
        }
        if (!input.isFloat() && input.scale <= 0) {
            throw new ClassifierException(
                    "the " + input.dtype + " input of " + name + " has no quantization scale; "
                            + "build the bundle again");
        }
    }

    private static String plainName(String file) {
        if (file.isEmpty() || file.contains("/") || file.contains("\\") || file.equals("..")) {
            throw new ClassifierException(
                    FILE + " names the file \"" + file + "\", which does not lie beside it; "
                            + "build the bundle again");
        }
        return file;
    }
}
