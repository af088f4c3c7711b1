package dev.edgedeploy.harness.app;

import dev.edgedeploy.harness.JsonParser;
import dev.edgedeploy.harness.JsonReader;
import dev.edgedeploy.harness.JsonWriter;
import dev.edgedeploy.harness.Refusal;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A request with paths that an app may use in place of those where adb pushes to. */
final class AppRequest {
    private static final String ORIGIN = "the harness request";
    private static final String[] LIBRARIES = {"library", "shim", "gpu_library"};

    private final File file;
    private final File answer;

    private AppRequest(File file, File answer) {
        this.file = file;
        this.answer = answer;
    }

    /** The request as the harness is to read it. */
    File file() {
        return file;
    }

    /** Where the answer will lie. */
    File answer() {
        return answer;
    }

    /** Reads the request that was pushed, and copies what an app may not use where it lies. */
    static AppRequest prepare(String pushed, AppFiles files) throws IOException, Refusal {
        byte[] text = Files.readAllBytes(new File(pushed).toPath());
        Object document = JsonParser.parse(new String(text, StandardCharsets.UTF_8));
        JsonReader reader = JsonReader.of(document, ORIGIN);
        Map<String, Object> request = copied(document);

        File answer = files.shared(reader.text("output"));
        request.put("output", answer.getPath());
        if (reader.has("outputs")) {
            request.put("outputs", shared(reader.textLists("outputs"), files));
        }
        if (reader.has("runtime")) {
            request.put("runtime", withOwnLibraries(reader.object("runtime"), request, files));
        }
        // An app has no standard input to wait for the end of.
        request.put("ends_with_stdin", false);
        return new AppRequest(files.request(JsonWriter.write(request)), answer);
    }

    private static Map<String, Object> withOwnLibraries(
            JsonReader runtime, Map<String, Object> request, AppFiles files)
            throws IOException, Refusal {
        Map<String, Object> found = copied(request.get("runtime"));
        for (String key : LIBRARIES) {
            if (runtime.has(key)) {
                found.put(key, files.library(runtime.text(key)).getPath());
            }
        }
        return found;
    }

    private static List<List<String>> shared(List<List<String>> runs, AppFiles files) {
        List<List<String>> found = new ArrayList<>();
        for (List<String> run : runs) {
            List<String> paths = new ArrayList<>();
            for (String path : run) {
                paths.add(files.shared(path).getPath());
            }
            found.add(paths);
        }
        return found;
    }

    private static Map<String, Object> copied(Object object) {
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) object).entrySet()) {
            found.put((String) entry.getKey(), entry.getValue());
        }
        return found;
    }
}
