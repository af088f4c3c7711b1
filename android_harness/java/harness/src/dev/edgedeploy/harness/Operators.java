package dev.edgedeploy.harness;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Operators timed alone: small models, one a line, as the host cut them out of a model. */
final class Operators {
    private static final double TOTAL_SECONDS = 2.0;
    private static final double LONGEST_SECONDS = 0.02;
    private static final String ORIGIN = "the operator";

    private final ModelRuntime runtime;
    private final RunSpec spec;
    private final File scratch;

    /** `scratch` is a file that may be written and removed. */
    Operators(ModelRuntime runtime, RunSpec spec, File scratch) {
        this.runtime = runtime;
        // Each operator is a model too small for the delegate to be insisted on.
        this.spec = spec.withDelegate(spec.delegate.equals("none") ? "none" : "auto");
        this.scratch = scratch;
    }

    /** The operators' entries of the measurement, in their order. */
    List<Map<String, Object>> time(String path) throws Refusal {
        List<Map<String, Object>> found = new ArrayList<>();
        int total = count(path);
        double seconds = Math.min(LONGEST_SECONDS, TOTAL_SECONDS / Math.max(1, total));
        try (BufferedReader lines = open(path)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Progress.say("timing operators", found.size(), total);
                found.add(entry(JsonReader.of(JsonParser.parse(line), ORIGIN), seconds));
            }
        } catch (IOException error) {
            throw unreadable(error);
        } finally {
            scratch.delete();
        }
        Progress.say("timing operators", total, total);
        return found;
    }

    private Map<String, Object> entry(JsonReader reader, double seconds) throws Refusal {
        Double ms = reader.optionalNumber("ms");
        String reason = reader.text("reason", "");
        String model = reader.optionalText("model");
        if (model != null) {
            try {
                ms = alone(model, seconds);
                reason = "";
            } catch (Refusal refusal) {
                ms = null;
                reason = refusal.getMessage();
            }
        }
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("name", reader.text("name"));
        found.put("kind", reader.text("kind"));
        found.put("ms", ms);
        if (!reason.isEmpty()) {
            found.put("reason", reason);
        }
        return found;
    }

    private double alone(String base64, double seconds) throws Refusal {
        try (OutputStream stream = new FileOutputStream(scratch)) {
            stream.write(Base64.getDecoder().decode(base64));
        } catch (IOException | IllegalArgumentException error) {
            throw Refusal.badInput(ORIGIN + " cannot be unpacked: " + RuntimeWords.oneLine(error));
        }
        try (LoadedModel model =
                 runtime.load(scratch, ORIGIN, spec.threads, spec.delegate)) {
            RandomInputs.fill(model, new ArrayList<>());
            TimedRuns.atLeast(2, 0.0).limit(1.0).of(model);
            return Percentile.milliseconds(
                TimedRuns.atLeast(3, seconds).limit(seconds).of(model), 0.5);
        }
    }

    private static int count(String path) throws Refusal {
        int lines = 0;
        try (BufferedReader reader = open(path)) {
            while (reader.readLine() != null) {
                lines++;
            }
        } catch (IOException error) {
            throw unreadable(error);
        }
        return lines;
    }

    private static BufferedReader open(String path) throws IOException {
        return new BufferedReader(
            new InputStreamReader(new FileInputStream(path), StandardCharsets.UTF_8));
    }

    private static Refusal unreadable(IOException error) {
        return Refusal.badInput("the operators cannot be read: " + RuntimeWords.oneLine(error));
    }
}
