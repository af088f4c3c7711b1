package org.example.sample;

import android.app.Activity;
import android.app.Instrumentation;
import android.os.Bundle;
import androidx.test.platform.app.InstrumentationRegistry;
import org.example.colors.ClassifierGoldenTest;
import org.junit.runner.JUnitCore;
import org.junit.runner.Result;

/**
 * Runs the test that the library brings:
 * {@code am instrument -w org.example.sample/.GoldenInstrumentation}.
 */
public final class GoldenInstrumentation extends Instrumentation {
    @Override
    public void onCreate(Bundle arguments) {
        super.onCreate(arguments);
        start();
    }

    @Override
    public void onStart() {
        super.onStart();
        InstrumentationRegistry.register(this);
        Result result = JUnitCore.runClasses(ClassifierGoldenTest.class);
        Bundle results = new Bundle();
        results.putString("tests", String.valueOf(result.getRunCount()));
        results.putString("failures", result.getFailures().toString());
        boolean passed = result.wasSuccessful();
        finish(passed ? Activity.RESULT_OK : Activity.RESULT_CANCELED, results);
    }
}
