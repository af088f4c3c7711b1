package dev.edgedeploy.classifier;

import android.content.Context;
import android.content.ContextWrapper;
import android.content.res.AssetManager;
import java.io.File;

/** Opens the model in an APK's assets as an app does, and runs its self-test. */
public final class AssetsDriver {
    private AssetsDriver() {}

    /** APK, asset folder, delegate. */
    public static void main(String[] args) {
        AssetManager assets = new AssetManager(new File(args[0]));
        Context context = new ContextWrapper(null) {
            @Override
            public AssetManager getAssets() {
                return assets;
            }
        };
        Options options = Options.defaults().delegate(Delegate.valueOf(args[2]));
        if (!args[1].equals("default")) {
            options = options.assetFolder(args[1]);
        }
        try (Classifier classifier = Classifier.fromAssets(context, options)) {
            SelfTest test = classifier.selfTest();
            System.out.println(test.passed() + "\n" + test);
        } catch (ClassifierException error) {
            System.out.println("error\n" + error.getMessage());
        }
    }
}
