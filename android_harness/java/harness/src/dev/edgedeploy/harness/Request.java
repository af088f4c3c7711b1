package dev.edgedeploy.harness;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** What the host asks for; the keys are those of its request file. */
public final class Request {
    /** The "format" of a request. */
    public static final String FORMAT = "edge-deploy harness request";
    private static final String ORIGIN = "the harness request";
    private static final int VERSION = 1;
    private static final List<String> TASKS =
        Arrays.asList("run", "baseline", "answers", "windows");
    private static final List<String> KEYS = Arrays.asList(
        "format", "version", "digest", "task", "model", "name", "spec", "threads", "ranges",
        "runtime", "operators", "ends_with_stdin", "output", "inputs", "outputs", "windows");
    private static final List<String> RUNTIME_KEYS =
        Arrays.asList("kind", "library", "shim", "gpu_library");

    /** A stretch of time, in seconds, without or with inferences. */
    public static final class Window {
        public final boolean load;
        public final double seconds;

        Window(boolean load, double seconds) {
            this.load = load;
            this.seconds = seconds;
        }
    }

    /** Which runtime to load; paths are null where there is none. */
    public static final class RuntimeChoice {
        public final String kind;
        public final String library;
        public final String shim;
        public final String gpuLibrary;

        RuntimeChoice(JsonReader reader) throws Refusal {
            reader.allowOnly(RUNTIME_KEYS);
            kind = reader.text("kind");
            library = reader.text("library");
            shim = reader.optionalText("shim");
            gpuLibrary = reader.optionalText("gpu_library");
        }
    }

    public final String digest;
    public final String task;
    public final String model;
    public final String name;
    public final RunSpec spec;
    public final List<Integer> threads;
    public final List<double[]> ranges;
    public final RuntimeChoice runtime;
    public final String operators;
    public final List<List<String>> inputs;
    public final List<List<String>> outputs;
    public final List<Window> windows;

    private Request(JsonReader reader) throws Refusal {
        digest = reader.text("digest");
        task = reader.text("task");
        if (!TASKS.contains(task)) {
            throw reader.wrong(
                "task", "is '" + task + "', not one of " + String.join(", ", TASKS));
        }
        boolean runs = !task.equals("baseline");
        model = runs ? reader.text("model") : reader.optionalText("model");
        name = reader.has("name") ? reader.text("name") : "the model";
        spec = reader.has("spec") ? RunSpec.fromJson(reader.object("spec"))
            : RunSpec.fromJson(JsonReader.of(Collections.emptyMap(), ORIGIN));
        threads = threadsIn(reader, spec);
        ranges = rangesIn(reader);
        runtime = new RuntimeChoice(reader.object("runtime"));
        operators = reader.optionalText("operators");
        boolean answers = task.equals("answers");
        inputs = answers ? reader.textLists("inputs") : Collections.emptyList();
        outputs = answers ? reader.textLists("outputs") : Collections.emptyList();
        if (inputs.size() != outputs.size()) {
            throw reader.wrong("outputs", "has another number of runs than \"inputs\"");
        }
        windows = task.equals("windows") ? windowsIn(reader) : Collections.emptyList();
    }

    /** The object in the text of a request, after a look at its format and version. */
    public static JsonReader open(String text) throws Refusal {
        Object document;
        try {
            document = JsonParser.parse(text);
        } catch (Refusal error) {
            throw Refusal.badInput(ORIGIN + " is not JSON: " + error.getMessage());
        }
        JsonReader reader = JsonReader.of(document, ORIGIN);
        if (!reader.has("format") || !FORMAT.equals(reader.text("format"))) {
            throw Refusal.badInput(
                ORIGIN + " has no \"format\": \"" + FORMAT + "\"; it is the host that writes one");
        }
        if (reader.integer("version") != VERSION) {
            throw Refusal.badInput(ORIGIN + " has version " + reader.integer("version")
                + " but this harness reads version " + VERSION);
        }
        return reader;
    }

    /** The request in an object that {@link #open} gave. */
    public static Request fromJson(JsonReader reader) throws Refusal {
        reader.allowOnly(KEYS);
        return new Request(reader);
    }

    private static List<Integer> threadsIn(JsonReader reader, RunSpec spec) throws Refusal {
        List<Integer> found = new ArrayList<>();
        if (!reader.has("threads")) {
            found.add(spec.threads);
            return found;
        }
        for (Object value : reader.list("threads")) {
            if (!(value instanceof Long) || (Long) value < 1 || (Long) value > 1024) {
                throw reader.wrong("threads", "holds " + JsonWriter.write(value)
                    + ", which is no number of threads");
            }
            found.add(((Long) value).intValue());
        }
        if (found.isEmpty()) {
            throw reader.wrong("threads", "is empty");
        }
        return found;
    }

    private static List<double[]> rangesIn(JsonReader reader) throws Refusal {
        List<double[]> found = new ArrayList<>();
        if (!reader.has("ranges")) {
            return found;
        }
        for (Object value : reader.list("ranges")) {
            if (value == null) {
                found.add(null);
                continue;
            }
            List<?> pair = value instanceof List ? (List<?>) value : Collections.emptyList();
            if (pair.size() != 2 || !(pair.get(0) instanceof Number)
                || !(pair.get(1) instanceof Number)) {
                throw reader.wrong("ranges", "holds " + JsonWriter.write(value)
                    + ", which is no pair of numbers");
            }
            found.add(new double[] {
                ((Number) pair.get(0)).doubleValue(), ((Number) pair.get(1)).doubleValue()});
        }
        return found;
    }

    private static List<Window> windowsIn(JsonReader reader) throws Refusal {
        List<Window> found = new ArrayList<>();
        for (JsonReader entry : reader.objects("windows")) {
            String kind = entry.text("kind");
            if (!kind.equals("idle") && !kind.equals("load")) {
                throw entry.wrong("kind", "is '" + kind + "', not one of idle, load");
            }
            found.add(new Window(kind.equals("load"), entry.number("seconds")));
        }
        return found;
    }
}
