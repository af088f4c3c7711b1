package dev.edgedeploy.harness;

import java.util.Arrays;

/** Quantiles, linear between the runs as numpy has them. */
final class Percentile {
    private Percentile() {
    }

    /** A quantile (0 to 1) of nanoseconds, in milliseconds. */
    static double milliseconds(long[] nanoseconds, double quantile) {
        long[] sorted = nanoseconds.clone();
        Arrays.sort(sorted);
        double place = quantile * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return (sorted[below] + (place - below) * (sorted[above] - sorted[below])) / 1e6;
    }
}
