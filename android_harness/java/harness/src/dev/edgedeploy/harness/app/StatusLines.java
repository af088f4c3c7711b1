package dev.edgedeploy.harness.app;

import android.app.Instrumentation;
import android.os.Bundle;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.UnsupportedEncodingException;

/** Sends every line that is written to it to the computer, as a status named progress. */
final class StatusLines extends OutputStream {
    private final Instrumentation instrumentation;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private String last = "";

    StatusLines(Instrumentation instrumentation) {
        this.instrumentation = instrumentation;
    }

    @Override
    public synchronized void write(int value) {
        if (value != '\n') {
            line.write(value);
            return;
        }
        last = text();
        line.reset();
        Bundle status = new Bundle();
        status.putString("progress", last);
        instrumentation.sendStatus(0, status);
    }

    /** The last whole line, or nothing. */
    synchronized String last() {
        return last;
    }

    private String text() {
        try {
            return line.toString("UTF-8");
        } catch (UnsupportedEncodingException error) {
            throw new AssertionError(error);
        }
    }
}
