package androidx.test.platform.app;

import android.app.Instrumentation;

/** Stands in for the class of androidx.test:monitor, which only Google's repository has. */
public final class InstrumentationRegistry {
    private static Instrumentation current;

    private InstrumentationRegistry() {
    }

    public static synchronized Instrumentation getInstrumentation() {
        return current;
    }

    public static synchronized void register(Instrumentation instrumentation) {
        current = instrumentation;
    }
}
