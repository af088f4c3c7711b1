package dev.edgedeploy.classifier;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The best classes for one photo, best first, and what the steps took. */
public final class Answer {
    private final List<Result> results;
    private final Timing timing;

    Answer(List<Result> results, Timing timing) {
        this.results = Collections.unmodifiableList(new ArrayList<>(results));
        this.timing = timing;
    }

    /** Best first; of equal scores the lower class number comes first. At least one. */
    public List<Result> results() {
        return results;
    }

    /** The best class. */
    public Result best() {
        return results.get(0);
    }

    public Timing timing() {
        return timing;
    }

    @Override
    public String toString() {
        return results.toString();
    }
}
