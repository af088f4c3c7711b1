package dev.edgedeploy.classifier;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** The names of the classes, one for each output of the model. */
final class Labels {
    private static final List<String> BACKGROUND_NAMES = Arrays.asList(
            "background", "???", "dummy", "unknown", "none", "nothing", "other");

    private Labels() {}

    /**
     * The labels in a text, one a line in class order, for {@code classes} outputs.
     *
     * <p>With {@code background}, a list that is one short gets "background" put before it. Any
     * other difference is refused: every answer would be the class beside the right one.
     */
    static List<String> parse(String text, String file, int classes, boolean background) {
        List<String> labels = lines(text);
        if (background && labels.size() == classes - 1) {
            labels.add(0, "background");
        }
        if (labels.size() != classes) {
            throw new ClassifierException(
                    file + " holds " + labels.size() + " labels but the model has " + classes
                            + " outputs; give the label file that belongs to this model");
        }
        if (background && !BACKGROUND_NAMES.contains(labels.get(0).toLowerCase(Locale.ROOT))) {
            throw new ClassifierException(
                    "class 0 is said to be the background, but " + file + " calls it \""
                            + labels.get(0) + "\"; build the bundle again with the right labels");
        }
        return Collections.unmodifiableList(labels);
    }

    private static List<String> lines(String text) {
        String plain = text.startsWith("\uFEFF") ? text.substring(1) : text;
        List<String> labels = new ArrayList<>();
        for (String line : plain.split("\r\n|\n|\r", -1)) {
            labels.add(line.trim());
        }
        while (!labels.isEmpty() && labels.get(labels.size() - 1).isEmpty()) {
            labels.remove(labels.size() - 1);
        }
        return labels;
    }
}
