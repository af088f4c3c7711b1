package dev.edgedeploy.harness;

import java.util.Arrays;

/** Nanoseconds that come block by block. */
final class Latencies {
    private long[] values = new long[1024];
    private int count;

    void add(long[] more) {
        if (count + more.length > values.length) {
            values = Arrays.copyOf(values, Math.max(2 * values.length, count + more.length));
        }
        System.arraycopy(more, 0, values, count, more.length);
        count += more.length;
    }

    long[] all() {
        return Arrays.copyOf(values, count);
    }

    /** All of them, or every N-th where there are more than `most`. */
    long[] thinned(int most) {
        int step = Math.max(1, (count + most - 1) / most);
        long[] found = new long[(count + step - 1) / step];
        for (int place = 0; place < found.length; place++) {
            found[place] = values[place * step];
        }
        return found;
    }
}
