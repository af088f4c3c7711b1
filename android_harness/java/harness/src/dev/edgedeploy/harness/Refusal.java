package dev.edgedeploy.harness;

/** An expected failure: the name of the host's error class, and one sentence for a stranger. */
public final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    /** The host's name of the error, for instance "BadInputError". */
    public final String type;

    private Refusal(String type, String message) {
        super(message);
        this.type = type;
    }

    /** The model, or what the request names, is missing or cannot be used. */
    public static Refusal badInput(String message) {
        return new Refusal("BadInputError", message);
    }

    /** The device, or the runtime on it, cannot do what was asked. */
    public static Refusal device(String message) {
        return new Refusal("DeviceError", message);
    }

    /** An option has a value that is none of its own. */
    public static Refusal usage(String message) {
        return new Refusal("UsageError", message);
    }
}
