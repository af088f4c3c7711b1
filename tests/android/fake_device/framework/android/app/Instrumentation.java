package android.app;

import android.content.Context;
import android.os.Bundle;

/** Stands in for Android's: prints what `am instrument -r` prints. */
public class Instrumentation {
    private Context context;

    public final void attach(Context itsContext) {
        context = itsContext;
    }

    public void onCreate(Bundle arguments) {}

    public void onStart() {}

    public Context getContext() {
        return context;
    }

    public Context getTargetContext() {
        return context;
    }

    public void start() {
        new Thread(this::onStart, "Instr: " + getClass().getName()).start();
    }

    public void sendStatus(int code, Bundle results) {
        print("INSTRUMENTATION_STATUS", code, results);
    }

    public void finish(int code, Bundle results) {
        print("INSTRUMENTATION_RESULT", code, results);
        System.exit(0);
    }

    private static synchronized void print(String word, int code, Bundle values) {
        StringBuilder text = new StringBuilder();
        for (String key : values.keySet()) {
            text.append(word).append(": ").append(key).append('=');
            text.append(values.getString(key)).append('\n');
        }
        boolean isResult = word.endsWith("RESULT");
        text.append(isResult ? "INSTRUMENTATION_CODE: " : "INSTRUMENTATION_STATUS_CODE: ");
        System.out.print(text.append(code).append('\n'));
        System.out.flush();
    }
}
