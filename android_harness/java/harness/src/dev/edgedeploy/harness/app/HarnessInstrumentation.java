package dev.edgedeploy.harness.app;

import android.app.Activity;
import android.app.Instrumentation;
import android.os.Bundle;
import dev.edgedeploy.harness.Main;
import java.io.File;
import java.io.PrintStream;

/**
 * The harness in the process of an app, where threads are scheduled as an app's are.
 *
 * <p>{@code am instrument -w -r -e request PATH dev.edgedeploy.harness/.app.HarnessInstrumentation}
 * runs what the request at PATH asks for. Progress comes as status values named {@code progress};
 * the result names the answer file as {@code answer}, and says as {@code in_front} whether the app
 * was what the screen showed all the while; or it has a sentence as {@code error}.
 */
public final class HarnessInstrumentation extends Instrumentation {
    private String request;

    @Override
    public void onCreate(Bundle arguments) {
        super.onCreate(arguments);
        request = arguments.getString("request");
        start();
    }

    @Override
    public void onStart() {
        super.onStart();
        Bundle results = new Bundle();
        int code = Activity.RESULT_CANCELED;
        try {
            results.putString("answer", answer().getAbsolutePath());
            results.putString("in_front", String.valueOf(HarnessActivity.wasInFront()));
            code = Activity.RESULT_OK;
        } catch (Exception | LinkageError error) {
            results.putString("error", sentence(error));
        }
        finish(code, results);
    }

    private File answer() throws Exception {
        if (request == null) {
            throw new IllegalArgumentException("no request was named; give one: -e request PATH");
        }
        StatusLines lines = new StatusLines(this);
        PrintStream standardError = System.err;
        System.setErr(new PrintStream(lines, true, "UTF-8"));
        try {
            AppRequest own = AppRequest.prepare(request, new AppFiles(getTargetContext()));
            HarnessActivity.start(getTargetContext());
            if (Main.run(own.file().getPath()) != 0) {
                throw new IllegalStateException(lines.last());
            }
            return own.answer();
        } finally {
            System.setErr(standardError);
        }
    }

    private static String sentence(Throwable error) {
        String message = error.getMessage();
        return message == null || message.isEmpty() ? error.toString() : message;
    }
}
