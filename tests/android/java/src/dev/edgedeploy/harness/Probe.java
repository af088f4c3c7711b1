package dev.edgedeploy.harness;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Calls parts of the harness from a test: one JSON object a line in, one a line out. */
public final class Probe {
    private Probe() {
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, Object> answer = new LinkedHashMap<>();
            try {
                JsonReader reader = JsonReader.of(JsonParser.parse(line), "the test");
                answer.put("value", value(reader));
            } catch (Refusal refusal) {
                answer.put("type", refusal.type);
                answer.put("message", refusal.getMessage());
            }
            answers.println(JsonWriter.write(answer));
        }
    }

    private static Object value(JsonReader reader) throws Refusal {
        switch (reader.text("call")) {
            case "parts":
                return Bench.parts(Double.parseDouble(reader.text("text")));
            case "parse":
                return JsonParser.parse(reader.text("text"));
            case "spec":
                return RunSpec.fromJson(
                    JsonReader.of(JsonParser.parse(reader.text("text")), "the run spec")).toJson();
            case "request":
                return request(Request.fromJson(Request.open(reader.text("text"))));
            case "look":
                return new Telemetry(new File(reader.text("root"))).look(null);
            case "look_bytes":
                return bytesOfLooks(new Telemetry(new File(reader.text("root"))), 50);
            case "cpu":
                Telemetry.CpuTimes times = new Telemetry(new File(reader.text("root"))).cpuTimes();
                List<Object> found = new ArrayList<>();
                found.add(times.busy);
                found.add(times.total);
                found.add(times.own);
                return found;
            case "half":
                return (int) RandomInputs.half((float) reader.number("number")) & 0xffff;
            case "p":
                List<?> values = reader.list("values");
                long[] nanoseconds = new long[values.size()];
                for (int place = 0; place < nanoseconds.length; place++) {
                    nanoseconds[place] = (Long) values.get(place);
                }
                return Percentile.milliseconds(nanoseconds, reader.number("quantile"));
            default:
                throw Refusal.usage("no such call");
        }
    }

    /** What so many looks at the machine leave behind for the collector. */
    private static long bytesOfLooks(Telemetry telemetry, int looks) {
        com.sun.management.ThreadMXBean threads =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().getId();
        telemetry.look(null);
        long before = threads.getThreadAllocatedBytes(thread);
        for (int number = 0; number < looks; number++) {
            telemetry.look(null);
        }
        return (threads.getThreadAllocatedBytes(thread) - before) / looks;
    }

    private static Map<String, Object> request(Request request) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("task", request.task);
        found.put("digest", request.digest);
        found.put("model", request.model);
        found.put("name", request.name);
        found.put("spec", request.spec.toJson());
        found.put("threads", request.threads);
        List<Object> ranges = new ArrayList<>();
        for (double[] range : request.ranges) {
            List<Object> pair = new ArrayList<>();
            if (range != null) {
                pair.add(range[0]);
                pair.add(range[1]);
            }
            ranges.add(range == null ? null : pair);
        }
        found.put("ranges", ranges);
        found.put("kind", request.runtime.kind);
        found.put("library", request.runtime.library);
        found.put("shim", request.runtime.shim);
        found.put("gpu_library", request.runtime.gpuLibrary);
        found.put("operators", request.operators);
        found.put("inputs", request.inputs);
        found.put("outputs", request.outputs);
        List<Object> windows = new ArrayList<>();
        for (Request.Window window : request.windows) {
            windows.add((window.load ? "load " : "idle ") + window.seconds);
        }
        found.put("windows", windows);
        return found;
    }
}
