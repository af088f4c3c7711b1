package dev.edgedeploy.harness;

import java.util.Arrays;

/** Runs a model again and again until both minima are met, and keeps every latency. */
final class TimedRuns {
    /** A run longer than this may end the timed runs early, at the limit. */
    private static final double LONG_RUN_S = 1.0;
    private static final int FIRST_ROOM = 1024;

    private int minRuns = 1;
    private double minSeconds;
    private double limitSeconds = Double.POSITIVE_INFINITY;
    private int mostRuns = 20_000;
    private int discard;

    /** At least so many runs, and at least so long. */
    static TimedRuns atLeast(int runs, double seconds) {
        TimedRuns found = new TimedRuns();
        found.minRuns = runs;
        found.minSeconds = seconds;
        return found;
    }

    /** Ends before `runs` where a run takes longer than a second. */
    TimedRuns limit(double seconds) {
        limitSeconds = seconds;
        return this;
    }

    /** Ends before the least time where a run takes microseconds. */
    TimedRuns most(int runs) {
        mostRuns = runs;
        return this;
    }

    /** The first runs are not kept: they pay for what others left in the caches. */
    TimedRuns discard(int runs) {
        discard = runs;
        return this;
    }

    /** Nanoseconds of each run, in their order. */
    long[] of(LoadedModel model) throws Refusal {
        for (int number = 0; number < discard; number++) {
            model.run();
        }
        long[] found = new long[FIRST_ROOM];
        int count = 0;
        long begun = System.nanoTime();
        while (true) {
            long latency = model.run();
            if (count == found.length) {
                found = Arrays.copyOf(found, 2 * count);
            }
            found[count++] = Math.max(1, latency);
            double elapsed = (System.nanoTime() - begun) / 1e9;
            if (count >= minRuns && (elapsed >= minSeconds || count >= mostRuns)) {
                break;
            }
            if (elapsed >= limitSeconds && elapsed / count > LONG_RUN_S) {
                break;
            }
        }
        return Arrays.copyOf(found, count);
    }
}
