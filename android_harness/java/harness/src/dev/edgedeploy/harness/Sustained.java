package dev.edgedeploy.harness;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A long run under full load: latency, temperature and clock over time. */
final class Sustained {
    private static final int MOST_WINDOWS = 120;
    /** Enough of a part for a p99; more of them would only make the file large. */
    private static final int MOST_KEPT = 20_000;
    private static final double BLOCK_S = 1.0;
    private static final double MINUTE_S = 60.0;

    private static final class Piece {
        final double start;
        final double end;
        final long[] latencies;
        final Map<String, Object> look;

        Piece(double start, double end, long[] latencies, Map<String, Object> look) {
            this.start = start;
            this.end = end;
            this.latencies = latencies;
            this.look = look;
        }
    }

    private final double part;
    private final List<Piece> first = new ArrayList<>();
    private final Deque<Piece> last = new ArrayDeque<>();
    private final List<Map<String, Object>> windows = new ArrayList<>();
    private List<Piece> window = new ArrayList<>();
    private double elapsed;
    private long runs;

    private Sustained(double seconds) {
        part = seconds >= 2 * MINUTE_S ? MINUTE_S : seconds / 10;
    }

    /** Runs for so many seconds, with a look at the machine about once a second; its JSON. */
    static Map<String, Object> of(Run run, double seconds) throws Refusal {
        Sustained found = new Sustained(seconds);
        double windowSeconds = Math.max(BLOCK_S, seconds / MOST_WINDOWS);
        long begun = System.nanoTime();
        while (found.elapsed < seconds || found.runs == 0) {
            Progress.say("sustained load", (int) found.elapsed, (int) seconds);
            // Short runs need pieces that are shorter than their parts.
            double length = Math.min(BLOCK_S,
                Math.min(Math.max(found.part / 2, 0.01), Math.max(0.01, seconds - found.elapsed)));
            long[] latencies = run.block(TimedRuns.atLeast(1, length));
            double start = found.elapsed;
            found.elapsed = (System.nanoTime() - begun) / 1e9;
            found.take(new Piece(start, found.elapsed, latencies, run.lastLook()), windowSeconds);
        }
        found.closeWindow();
        Progress.say("sustained load", (int) seconds, (int) seconds);
        return found.toJson();
    }

    private void take(Piece piece, double windowSeconds) {
        runs += piece.latencies.length;
        if (first.isEmpty() || piece.start < part) {
            first.add(piece);
        }
        last.addLast(piece);
        while (last.size() > 1 && second(last).start <= elapsed - part) {
            last.removeFirst();
        }
        window.add(piece);
        if (elapsed - window.get(0).start >= 0.9 * windowSeconds) {
            closeWindow();
        }
    }

    private static Piece second(Deque<Piece> pieces) {
        java.util.Iterator<Piece> each = pieces.iterator();
        each.next();
        return each.next();
    }

    private void closeWindow() {
        if (window.isEmpty()) {
            return;
        }
        Latencies latencies = new Latencies();
        Double heat = null;
        Double clock = null;
        for (Piece piece : window) {
            latencies.add(piece.latencies);
            heat = larger(heat, hottest(piece.look));
            clock = smaller(clock, (Double) piece.look.get("frequency_mhz"));
        }
        Piece end = window.get(window.size() - 1);
        long[] all = latencies.all();
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("start_s", window.get(0).start);
        found.put("seconds", end.end - window.get(0).start);
        found.put("runs", all.length);
        found.put("p50_ms", Percentile.milliseconds(all, 0.5));
        found.put("p90_ms", Percentile.milliseconds(all, 0.9));
        found.put("temperature_celsius", heat);
        found.put("frequency_mhz", clock);
        found.put("throttled", null);
        windows.add(found);
        window = new ArrayList<>();
    }

    private static Double hottest(Map<String, Object> look) {
        Double found = null;
        if (look.get("temperatures_celsius") != null) {
            for (Object value : ((Map<?, ?>) look.get("temperatures_celsius")).values()) {
                found = larger(found, (Double) value);
            }
        }
        return found;
    }

    private static Double larger(Double one, Double other) {
        return one == null || other != null && other > one ? other : one;
    }

    private static Double smaller(Double one, Double other) {
        return one == null || other != null && other < one ? other : one;
    }

    private Map<String, Object> toJson() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("seconds", elapsed);
        found.put("runs", runs);
        found.put("part_seconds", part);
        found.put("first_latencies_ns", kept(first));
        found.put("last_latencies_ns", kept(last));
        found.put("windows", windows);
        return found;
    }

    private static long[] kept(Iterable<Piece> pieces) {
        Latencies found = new Latencies();
        for (Piece piece : pieces) {
            found.add(piece.latencies);
        }
        return found.thinned(MOST_KEPT);
    }
}
