package dev.edgedeploy.classifier;

/** What the steps of one answer took, in nanoseconds. */
public final class Timing {
    private final long decodeNs;
    private final long preprocessNs;
    private final long inferenceNs;

    public Timing(long decodeNs, long preprocessNs, long inferenceNs) {
        this.decodeNs = decodeNs;
        this.preprocessNs = preprocessNs;
        this.inferenceNs = inferenceNs;
    }

    /** From bytes to pixels; 0 where pixels were given. */
    public long decodeNs() {
        return decodeNs;
    }

    /** Turning upright, cropping, resizing, normalizing. */
    public long preprocessNs() {
        return preprocessNs;
    }

    /** The model itself, and waiting for another thread's inference to end. */
    public long inferenceNs() {
        return inferenceNs;
    }

    /** All steps, in milliseconds. */
    public double totalMs() {
        return (decodeNs + preprocessNs + inferenceNs) / 1e6;
    }
}
