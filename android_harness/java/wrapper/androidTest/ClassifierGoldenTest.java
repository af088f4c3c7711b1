package dev.edgedeploy.classifier;

import static org.junit.Assert.assertTrue;

import android.content.Context;
import androidx.test.platform.app.InstrumentationRegistry;
import org.junit.Test;

/**
 * Whether the model answers on this phone as it did on the machine that built the bundle.
 *
 * <p>Run by Android Studio or {@code gradlew connectedAndroidTest}, with the runner and the
 * libraries that every new project has: {@code androidx.test.ext:junit} and JUnit 4.
 */
public class ClassifierGoldenTest {
    @Test
    public void answersAsOnTheMachineThatBuiltTheBundle() {
        Context app = InstrumentationRegistry.getInstrumentation().getTargetContext();
        try (Classifier classifier = Classifier.fromAssets(app)) {
            SelfTest test = classifier.selfTest();
            assertTrue(test.toString(), test.passed());
        }
    }
}
