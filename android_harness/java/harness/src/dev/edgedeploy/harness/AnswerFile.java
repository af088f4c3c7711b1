package dev.edgedeploy.harness;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** The file that the host takes the answer from: there is a whole one, or none. */
final class AnswerFile {
    private final File file;

    AnswerFile(String path) {
        file = new File(path).getAbsoluteFile();
    }

    /** A file of another name in the same folder. */
    File beside(String name) {
        return new File(file.getParentFile(), name);
    }

    /** Writes an answer, with the harness and the process that give it. */
    void write(Map<String, Object> answer) throws IOException {
        Map<String, Object> harness = new LinkedHashMap<>();
        harness.put("version", BuildInfo.VERSION);
        harness.put("digest", BuildInfo.DIGEST);
        Map<String, Object> whole = new LinkedHashMap<>(answer);
        whole.put("harness", harness);
        whole.put("pid", pid());
        File temporary = beside(file.getName() + ".part");
        try {
            try (OutputStream stream = new FileOutputStream(temporary)) {
                stream.write(JsonWriter.write(whole).getBytes(StandardCharsets.UTF_8));
            }
            if (!temporary.renameTo(file)) {
                throw new IOException(file + " cannot be written");
            }
        } finally {
            temporary.delete();
        }
    }

    /** Writes that the request failed, and why. */
    void write(Refusal refusal) throws IOException {
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("type", refusal.type);
        error.put("message", refusal.getMessage());
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("error", error);
        write(answer);
    }

    private static Long pid() {
        try {
            return Long.valueOf(new File("/proc/self").getCanonicalFile().getName());
        } catch (IOException | NumberFormatException error) {
            return null;
        }
    }
}
