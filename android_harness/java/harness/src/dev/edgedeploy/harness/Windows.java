package dev.edgedeploy.harness;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Idle and load in turn, with the system's own time at each boundary, for the host's meters. */
final class Windows {
    private static final String CLOCK_CLASS = "android.os.SystemClock";

    private final Request request;
    private final Telemetry telemetry;

    Windows(Request request, Telemetry telemetry) {
        this.request = request;
        this.telemetry = telemetry;
    }

    /** Goes through the windows of a request; when each began and ended, and its inferences. */
    Map<String, Object> run(ModelRuntime runtime) throws Refusal {
        RunSpec spec = request.spec.withThreads(request.threads.get(0));
        List<Object> windows = new ArrayList<>();
        try (Run run = new Run(request, runtime, telemetry, spec)) {
            int total = request.windows.size();
            for (Request.Window window : request.windows) {
                String kind = window.load ? "load" : "idle";
                Progress.say(kind + " window", windows.size(), total);
                Map<String, Object> found = new LinkedHashMap<>();
                found.put("kind", kind);
                found.put("begin_s", bootSeconds());
                long runs = window.load ? load(run, window.seconds) : idle(window.seconds);
                found.put("end_s", bootSeconds());
                found.put("runs", runs);
                windows.add(found);
            }
            Progress.say("windows", total, total);
        }
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("windows", windows);
        return answer;
    }

    private static long load(Run run, double seconds) throws Refusal {
        return run.block(TimedRuns.atLeast(1, seconds).most(Integer.MAX_VALUE)).length;
    }

    private static long idle(double seconds) {
        try {
            Thread.sleep(Math.round(seconds * 1e3));
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        return 0;
    }

    /** Seconds since boot, sleep included. Android's class is asked first: apps have no /proc. */
    private double bootSeconds() throws Refusal {
        try {
            Object nanoseconds =
                Class.forName(CLOCK_CLASS).getMethod("elapsedRealtimeNanos").invoke(null);
            return (Long) nanoseconds / 1e9;
        } catch (ReflectiveOperationException | LinkageError error) {
            Double seconds = telemetry.uptimeSeconds();
            if (seconds == null) {
                throw Refusal.device("the system does not say how long it has been up, "
                    + "so that windows cannot be matched with its counters");
            }
            return seconds;
        }
    }
}
