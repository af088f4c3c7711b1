package dev.edgedeploy.fake;

import android.app.Instrumentation;
import android.content.Context;
import android.os.Bundle;
import java.io.File;

/** Starts an instrumentation: CLASS DATA-FOLDER EXTERNAL-FOLDER MEDIA-FOLDER [KEY VALUE]... */
public final class Instrument {
    private Instrument() {}

    public static void main(String[] words) throws Exception {
        Bundle arguments = new Bundle();
        for (int at = 4; at < words.length; at += 2) {
            arguments.putString(words[at], words[at + 1]);
        }
        Class<?> type = Class.forName(words[0]);
        Instrumentation instrumentation =
                (Instrumentation) type.getDeclaredConstructor().newInstance();
        instrumentation.attach(
                new Context(new File(words[1]), new File(words[2]), new File(words[3])));
        instrumentation.onCreate(arguments);
    }
}
