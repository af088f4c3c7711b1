package dev.edgedeploy.classifier;

import java.util.Locale;

/** One class with its score. */
public final class Result {
    private final String label;
    private final int index;
    private final float score;
    private final float raw;

    public Result(String label, int index, float score, float raw) {
        this.label = label;
        this.index = index;
        this.score = score;
        this.raw = raw;
    }

    /** The name of the class, or its number where the model has no labels. */
    public String label() {
        return label;
    }

    /** The number of the class among the model's outputs. */
    public int index() {
        return index;
    }

    /** A fraction from 0 to 1; of a model that answers with logits, their softmax. */
    public float score() {
        return score;
    }

    /** What the model answers, dequantized: the score that {@code edge-deploy run} prints. */
    public float raw() {
        return raw;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof Result)) {
            return false;
        }
        Result that = (Result) other;
        return label.equals(that.label) && index == that.index
                && Float.compare(score, that.score) == 0 && Float.compare(raw, that.raw) == 0;
    }

    @Override
    public int hashCode() {
        return 31 * label.hashCode() + index;
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s %.1f%%", label, 100 * score);
    }
}
