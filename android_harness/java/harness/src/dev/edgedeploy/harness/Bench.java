package dev.edgedeploy.harness;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Measures a model as the host's own bench does; what it finds are keys of the measurement. */
final class Bench {
    private static final int SWEEP_ROUNDS = 8;
    private static final int MOST_PARTS = 60;

    private final Request request;
    private final ModelRuntime runtime;
    private final Telemetry telemetry;

    Bench(Request request, ModelRuntime runtime, Telemetry telemetry) {
        this.request = request;
        this.runtime = runtime;
        this.telemetry = telemetry;
    }

    /** One number of threads, or several in turn. */
    Map<String, Object> measure() throws Refusal {
        return request.threads.size() > 1 ? sweep() : single();
    }

    private Map<String, Object> single() throws Refusal {
        Progress.say("loading and warming up", 0, 0);
        try (Run run = start(request.threads.get(0))) {
            Progress.say("timing inferences", 0, 0);
            // About a second each: the machine is looked at after every block.
            int parts = parts(run.spec.minSeconds);
            for (int number = 0; number < parts; number++) {
                run.part(parts, Math.min(1, number));
            }
            run.readMemory();
            return finished(run, new ArrayList<>());
        }
    }

    /** As Python rounds: halves to the even number. */
    static int parts(double seconds) {
        return (int) Math.min(MOST_PARTS, Math.max(1, Math.rint(seconds)));
    }

    /** Block by block in turn, so that a change of the machine meets all; the fastest p50 wins. */
    private Map<String, Object> sweep() throws Refusal {
        Progress.say("loading and warming up", 0, 0);
        List<Run> runs = new ArrayList<>();
        try {
            for (int threads : request.threads) {
                runs.add(start(threads));
            }
            for (int round = 0; round < SWEEP_ROUNDS; round++) {
                Progress.say("timing inferences", round, SWEEP_ROUNDS);
                for (int place = 0; place < runs.size(); place++) {
                    int turn = round % 2 == 0 ? place : runs.size() - 1 - place;
                    runs.get(turn).part(SWEEP_ROUNDS, 1);
                }
            }
            Run best = runs.get(0);
            List<Object> points = new ArrayList<>();
            for (Run run : runs) {
                best = p50(run) < p50(best) ? run : best;
                Map<String, Object> point = new LinkedHashMap<>();
                point.put("threads", run.spec.threads);
                point.put("latencies_ns", run.latencies.all());
                points.add(point);
            }
            Map<String, Object> found = finished(best, points);
            // One process holds all models: only the first was ever there alone.
            found.put("memory", runs.get(0).toJson().get("memory"));
            return found;
        } finally {
            for (Run run : runs) {
                run.close();
            }
        }
    }

    private Run start(int threads) throws Refusal {
        return new Run(request, runtime, telemetry, request.spec.withThreads(threads));
    }

    private static double p50(Run run) {
        return Percentile.milliseconds(run.latencies.all(), 0.5);
    }

    private static Map<String, Object> finished(Run run, List<Object> points) throws Refusal {
        Map<String, Object> found = run.toJson();
        found.put("sweep", points);
        double seconds = run.spec.sustainedSeconds;
        found.put("sustained", seconds > 0 ? Sustained.of(run, seconds) : null);
        return found;
    }
}
