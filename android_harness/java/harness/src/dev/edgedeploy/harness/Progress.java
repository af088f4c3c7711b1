package dev.edgedeploy.harness;

import java.util.LinkedHashMap;
import java.util.Map;

/** Tells the host how far the work is: one line of JSON each on stderr. */
final class Progress {
    private Progress() {
    }

    /** A stage, and how much of it is done; a total of 0 stands for not known. */
    static void say(String stage, int done, int total) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("stage", stage);
        line.put("done", done);
        line.put("total", total);
        System.err.println(JsonWriter.write(line));
    }
}
