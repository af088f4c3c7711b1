package dev.edgedeploy.harness;

import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A model at work, and what it has shown so far. */
final class Run implements AutoCloseable {
    private static final double WARM_UP_LIMIT_S = 10.0;
    private static final int MOST_WARM_UP_RUNS = 1000;

    final RunSpec spec;
    final Latencies latencies = new Latencies();
    private final Telemetry telemetry;
    private final LoadedModel model;
    private final Map<String, Object> before;
    private final DelegateUse delegate;
    private final double loadMs;
    private final double firstMs;
    private final long[] warmUp;
    private final List<Map<String, Object>> looks = new ArrayList<>();
    private final List<Double> lookSeconds = new ArrayList<>();
    private final long begun;
    private Long memoryBytes;

    /** Loads the model, runs it once, and warms it up. */
    Run(Request request, ModelRuntime runtime, Telemetry telemetry, RunSpec spec) throws Refusal {
        this.spec = spec;
        this.telemetry = telemetry;
        before = telemetry.look(null);
        long started = System.nanoTime();
        model = runtime.load(new File(request.model), request.name, spec.threads, spec.delegate);
        loadMs = (System.nanoTime() - started) / 1e6;
        try {
            RandomInputs.fill(model, request.ranges);
            firstMs = Math.max(1, model.run()) / 1e6;
            delegate = checkedDelegate(request.name);
            warmUp = TimedRuns.atLeast(spec.warmUpRuns, spec.warmUpSeconds)
                .limit(WARM_UP_LIMIT_S).most(MOST_WARM_UP_RUNS).of(model);
        } catch (Refusal | RuntimeException | Error error) {
            model.close();
            throw error;
        }
        begun = System.nanoTime();
        memoryBytes = telemetry.peakMemoryBytes();
    }

    private DelegateUse checkedDelegate(String name) throws Refusal {
        DelegateUse found = model.delegate();
        if (spec.delegate.equals("xnnpack") && found.used.equals("none")) {
            throw Refusal.device("XNNPACK was asked for, but it takes none of the operators of "
                + name + "; measure with --delegate none");
        }
        if (spec.delegate.equals("none") && !found.used.equals("none")) {
            throw Refusal.device("no delegate was asked for, but " + found.used + " runs " + name);
        }
        return found;
    }

    /** One block of timed runs, and a look at the machine after it. */
    long[] block(TimedRuns runs) throws Refusal {
        Telemetry.CpuTimes earlier = telemetry.cpuTimes();
        long[] found = runs.of(model);
        Double others = Telemetry.othersShare(earlier, telemetry.cpuTimes());
        lookSeconds.add((System.nanoTime() - begun) / 1e9);
        looks.add(telemetry.look(others));
        return found;
    }

    /** One of so many equal parts of the timed runs. */
    void part(int parts, int discard) throws Refusal {
        latencies.add(block(
            TimedRuns.atLeast((spec.minRuns + parts - 1) / parts, spec.minSeconds / parts)
                .limit(spec.maxSeconds / parts)
                .most(Math.max(1, spec.maxRuns / parts))
                .discard(discard)));
    }

    /** What the machine did in the last block. */
    Map<String, Object> lastLook() {
        return looks.get(looks.size() - 1);
    }

    /** Reads the peak memory once more; only where no other model is in this process. */
    void readMemory() {
        memoryBytes = telemetry.peakMemoryBytes();
    }

    /** The keys of the measurement that this run knows. */
    Map<String, Object> toJson() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("threads", spec.threads);
        found.put("delegate", delegate.toJson(spec.delegate));
        found.put("spec", spec.toJson());
        found.put("load_ms", loadMs);
        found.put("first_inference_ms", firstMs);
        found.put("warm_up_ns", warmUp);
        found.put("latencies_ns", latencies.all());
        Map<String, Object> memory = new LinkedHashMap<>();
        memory.put("baseline_bytes", null);
        memory.put("total_bytes", memoryBytes);
        found.put("peak_memory_bytes", null);
        found.put("memory", memory);
        found.put("telemetry", telemetryJson());
        return found;
    }

    private Map<String, Object> telemetryJson() {
        List<Object> during = new ArrayList<>();
        double shares = 0;
        int known = 0;
        for (int place = 0; place < looks.size(); place++) {
            Object share = looks.get(place).get("others_cpu_share");
            if (share != null) {
                shares += (Double) share;
                known++;
            }
            if (place < looks.size() - 1) {
                Map<String, Object> look = new LinkedHashMap<>();
                look.put("seconds", Math.round(lookSeconds.get(place) * 1e3) / 1e3);
                look.put("telemetry", looks.get(place));
                during.add(look);
            }
        }
        Map<String, Object> after = new LinkedHashMap<>(lastLook());
        after.put("others_cpu_share", known == 0 ? null : Double.valueOf(shares / known));
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("before", before);
        found.put("during", during);
        found.put("after", after);
        return found;
    }

    @Override
    public void close() {
        model.close();
    }
}
