package dev.edgedeploy.harness;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How a model is run: threads, delegate, how long; the JSON is that of the host's RunSpec. */
public final class RunSpec {
    /** What may be asked for. */
    public static final List<String> DELEGATES =
        Arrays.asList("auto", "xnnpack", "none", "gpu", "nnapi");
    private static final List<String> KEYS = Arrays.asList(
        "threads", "delegate", "warm_up_runs", "warm_up_seconds", "min_runs", "min_seconds",
        "max_seconds", "max_runs", "sustained_seconds");

    public final int threads;
    public final String delegate;
    public final int warmUpRuns;
    public final double warmUpSeconds;
    public final int minRuns;
    public final double minSeconds;
    public final double maxSeconds;
    public final int maxRuns;
    public final double sustainedSeconds;

    private RunSpec(JsonReader reader) throws Refusal {
        reader.allowOnly(KEYS);
        threads = reader.integer("threads", 1);
        delegate = reader.text("delegate", "auto");
        warmUpRuns = reader.integer("warm_up_runs", 5);
        warmUpSeconds = reader.number("warm_up_seconds", 0.2);
        minRuns = reader.integer("min_runs", 50);
        minSeconds = reader.number("min_seconds", 2.0);
        maxSeconds = reader.number("max_seconds", 60.0);
        maxRuns = reader.integer("max_runs", 20_000);
        sustainedSeconds = reader.number("sustained_seconds", 0.0);
        if (!DELEGATES.contains(delegate)) {
            throw Refusal.usage("unknown delegate '" + delegate + "'; use one of "
                + String.join(", ", DELEGATES));
        }
        atLeastOne("threads", threads);
        atLeastOne("warm_up_runs", warmUpRuns);
        atLeastOne("min_runs", minRuns);
        atLeastOne("max_runs", maxRuns);
    }

    private RunSpec(RunSpec other, int threads, String delegate) {
        this.threads = threads;
        this.delegate = delegate;
        warmUpRuns = other.warmUpRuns;
        warmUpSeconds = other.warmUpSeconds;
        minRuns = other.minRuns;
        minSeconds = other.minSeconds;
        maxSeconds = other.maxSeconds;
        maxRuns = other.maxRuns;
        sustainedSeconds = other.sustainedSeconds;
    }

    /** The spec in an object; what is missing has the host's default. */
    public static RunSpec fromJson(JsonReader reader) throws Refusal {
        return new RunSpec(reader);
    }

    /** The same with another number of threads. */
    public RunSpec withThreads(int count) {
        return new RunSpec(this, count, delegate);
    }

    /** The same with another delegate. */
    public RunSpec withDelegate(String name) {
        return new RunSpec(this, threads, name);
    }

    /** Plain values, in the host's order of keys. */
    public Map<String, Object> toJson() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("threads", threads);
        found.put("delegate", delegate);
        found.put("warm_up_runs", warmUpRuns);
        found.put("warm_up_seconds", warmUpSeconds);
        found.put("min_runs", minRuns);
        found.put("min_seconds", minSeconds);
        found.put("max_seconds", maxSeconds);
        found.put("max_runs", maxRuns);
        found.put("sustained_seconds", sustainedSeconds);
        return found;
    }

    private static void atLeastOne(String key, int value) throws Refusal {
        if (value < 1) {
            throw Refusal.usage(key + " is " + value + "; use 1 or more");
        }
    }
}
