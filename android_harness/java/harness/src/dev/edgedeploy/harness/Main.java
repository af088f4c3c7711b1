package dev.edgedeploy.harness;

import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/**
 * The program: {@code Main REQUEST} carries out the request in a file.
 *
 * <p>Exit code 0 says that an answer was written, which may be an error; 1 that there is none, and
 * a sentence on stderr says why.
 */
public final class Main {
    private static final int BLOCK_BYTES = 1 << 16;

    private Main() {
    }

    /** The entry point of a JVM and of Android's app_process. */
    public static void main(String[] arguments) {
        if (arguments.length != 1) {
            System.err.println("usage: Main REQUEST.json");
            System.exit(1);
        }
        System.exit(run(arguments[0]));
    }

    /** Carries out the request in a file; returns the exit code. */
    public static int run(String path) {
        AnswerFile answer = null;
        try {
            JsonReader reader = Request.open(textOf(path));
            answer = new AnswerFile(reader.text("output"));
            if (reader.flag("ends_with_stdin")) {
                endWithStandardInput();
            }
            carryOut(reader, answer);
            return 0;
        } catch (Refusal refusal) {
            return failed(answer, refusal);
        } catch (IOException error) {
            System.err.println("the harness cannot read its request or write its answer: "
                + RuntimeWords.oneLine(error));
            return 1;
        }
    }

    private static void carryOut(JsonReader reader, AnswerFile answer)
            throws Refusal, IOException {
        try {
            new Harness(Request.fromJson(reader), answer).run();
        } catch (OutOfMemoryError error) {
            throw Refusal.device("there is not enough memory for this model here; "
                + "measure a smaller one");
        } catch (RuntimeException | LinkageError error) {
            throw Refusal.device("the harness failed (" + error.getClass().getSimpleName() + ": "
                + RuntimeWords.oneLine(error) + "); please report it");
        }
    }

    private static int failed(AnswerFile answer, Refusal refusal) {
        try {
            if (answer != null) {
                answer.write(refusal);
                return 0;
            }
        } catch (IOException error) {
            System.err.println("the harness cannot write its answer: "
                + RuntimeWords.oneLine(error));
        }
        System.err.println(refusal.getMessage());
        return 1;
    }

    /** The host holds the other end open; when it is gone, so is the reason to go on. */
    private static void endWithStandardInput() {
        Thread watcher = new Thread(() -> {
            try {
                byte[] ignored = new byte[64];
                while (System.in.read(ignored) >= 0) {
                    continue;
                }
            } catch (IOException error) {
                System.err.println("stdin cannot be read any more, which ends the harness");
            }
            Runtime.getRuntime().halt(1);
        }, "end with stdin");
        watcher.setDaemon(true);
        watcher.start();
    }

    private static String textOf(String path) throws IOException {
        try (InputStream stream = new FileInputStream(path)) {
            ByteArrayOutputStream found = new ByteArrayOutputStream();
            byte[] block = new byte[BLOCK_BYTES];
            for (int size = stream.read(block); size >= 0; size = stream.read(block)) {
                found.write(block, 0, size);
            }
            return new String(found.toByteArray(), StandardCharsets.UTF_8);
        }
    }
}
