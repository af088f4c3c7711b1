package dev.edgedeploy.harness;

/** The runtimes by the names that requests have for them. */
final class Runtimes {
    private Runtimes() {
    }

    /** Loads the runtime of a request. */
    static ModelRuntime open(Request.RuntimeChoice choice) throws Refusal {
        switch (choice.kind) {
            case "litert":
                return new LiteRtRuntime(choice);
            case "tflite":
                return tflite(choice);
            default:
                throw Refusal.badInput("the harness request names the runtime '" + choice.kind
                    + "'; use one of tflite, litert");
        }
    }

    private static ModelRuntime tflite(Request.RuntimeChoice choice) throws Refusal {
        try {
            return new TfliteRuntime(choice);
        } catch (NoClassDefFoundError error) {
            throw Refusal.device("the TFLite classes are not on the class path ("
                + RuntimeWords.oneLine(error) + "); run the command again, which brings them");
        }
    }
}
