package dev.edgedeploy.harness;

import java.io.File;

/** Loads native libraries by their absolute path. */
final class NativeLibrary {
    private NativeLibrary() {
    }

    /** Loads one; `what` is what a sentence calls it. */
    static void load(String path, String what) throws Refusal {
        File file = new File(path).getAbsoluteFile();
        if (!file.isFile()) {
            throw Refusal.device("there is no " + what + " at " + file
                + "; run the command again, which brings it there");
        }
        try {
            System.load(file.getPath());
        } catch (UnsatisfiedLinkError error) {
            throw Refusal.device("the " + what + " " + file.getName() + " cannot be loaded here ("
                + RuntimeWords.oneLine(error) + "); name one for this device with --runtime");
        }
    }
}
