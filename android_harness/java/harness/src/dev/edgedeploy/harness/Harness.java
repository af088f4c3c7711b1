package dev.edgedeploy.harness;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Carries out one request; the answers are those of the host's own bench. */
final class Harness {
    private static final String MEASUREMENT_FORMAT = "edge-deploy measurement";
    private static final int MEASUREMENT_VERSION = 1;
    private static final int BLOCK_BYTES = 1 << 16;

    private final Request request;
    private final AnswerFile answer;
    private final Telemetry telemetry = new Telemetry(new File("/"));

    Harness(Request request, AnswerFile answer) {
        this.request = request;
        this.answer = answer;
    }

    /** Does what is asked and writes the answer. */
    void run() throws Refusal, IOException {
        if (!request.digest.equals(BuildInfo.DIGEST)) {
            throw Refusal.device("the request is for the harness " + shortened(request.digest)
                + ", and this one is " + shortened(BuildInfo.DIGEST)
                + "; run the command again, which brings the right one");
        }
        if (request.model != null && !new File(request.model).isFile()) {
            throw Refusal.badInput("there is no model at " + request.model);
        }
        ModelRuntime runtime = Runtimes.open(request.runtime);
        switch (request.task) {
            case "baseline":
                Map<String, Object> memory = new LinkedHashMap<>();
                telemetry.look(null); // as a run does before it loads a model
                memory.put("memory_bytes", telemetry.peakMemoryBytes());
                write(runtime, memory);
                break;
            case "answers":
                write(runtime, Answers.of(request, runtime));
                break;
            case "windows":
                write(runtime, new Windows(request, telemetry).run(runtime));
                break;
            default:
                measure(runtime);
        }
    }

    private void measure(ModelRuntime runtime) throws Refusal, IOException {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("format", MEASUREMENT_FORMAT);
        document.put("version", MEASUREMENT_VERSION);
        document.put("model", modelJson());
        document.put("created_by", createdBy());
        document.put("device", deviceJson());
        document.putAll(new Bench(request, runtime, telemetry).measure());
        document.put("size_bytes", new File(request.model).length());
        document.put("operators", Collections.emptyList());
        document.put("operators_note", "");
        document.put("energy", notAskedFor());
        document.put("battery", null);
        document.put("warnings", Collections.emptyList());
        document.put("void", Collections.emptyList());
        document.put("evidence", isPhone() ? "measured" : "simulated");
        if (request.operators != null) {
            // A crash of the runtime ends this process: what was measured is safe by then.
            document.put("operators_note", "the runtime crashed while it timed operators alone");
            write(runtime, document);
            int threads = ((Number) document.get("threads")).intValue();
            List<Map<String, Object>> operators = new Operators(
                runtime, request.spec.withThreads(threads), answer.beside("operator.tflite"))
                .time(request.operators);
            document.put("operators", operators);
            document.put("operators_note", missingNote(operators));
        }
        write(runtime, document);
    }

    private void write(ModelRuntime runtime, Map<String, Object> document) throws IOException {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("name", runtime.name());
        described.put("version", runtime.version());
        described.put("origin", "pushed");
        document.put("runtime", described);
        answer.write(document);
    }

    private Map<String, Object> modelJson() throws Refusal {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("name", request.name);
        found.put("sha256", sha256(new File(request.model)));
        found.put("size_bytes", new File(request.model).length());
        return found;
    }

    private static Map<String, Object> createdBy() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("edge-deploy", BuildInfo.VERSION);
        found.put("java", System.getProperty("java.vm.name") + " "
            + System.getProperty("java.vm.version"));
        return found;
    }

    private static Map<String, Object> deviceJson() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("id", "local");
        found.put("target", "local");
        found.put("name", null);
        found.put("machine", System.getProperty("os.arch"));
        return found;
    }

    private static Map<String, Object> notAskedFor() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("evidence", "unknown");
        found.put("reason", "not asked for");
        return found;
    }

    private static String missingNote(List<Map<String, Object>> operators) {
        List<Object> missing = new ArrayList<>();
        for (Map<String, Object> entry : operators) {
            if (entry.get("ms") == null) {
                missing.add(entry);
            }
        }
        return missing.isEmpty() ? "" : missing.size() + " of " + operators.size()
            + " operators could not be run alone";
    }

    /** Android's virtual machine has kept its first name. */
    private static boolean isPhone() {
        return "Dalvik".equals(System.getProperty("java.vm.name"));
    }

    private static String shortened(String digest) {
        return digest.length() > 16 ? digest.substring(0, 16) : digest;
    }

    private static String sha256(File file) throws Refusal {
        try (InputStream stream = new FileInputStream(file)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] block = new byte[BLOCK_BYTES];
            for (int size = stream.read(block); size >= 0; size = stream.read(block)) {
                digest.update(block, 0, size);
            }
            StringBuilder found = new StringBuilder();
            for (byte value : digest.digest()) {
                found.append(Character.forDigit(value >> 4 & 0xf, 16));
                found.append(Character.forDigit(value & 0xf, 16));
            }
            return found.toString();
        } catch (IOException error) {
            throw Refusal.badInput("the model cannot be read: " + RuntimeWords.oneLine(error));
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError(error);
        }
    }
}
