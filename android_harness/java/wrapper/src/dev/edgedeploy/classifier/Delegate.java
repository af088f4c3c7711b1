package dev.edgedeploy.classifier;

/**
 * What the runtime is asked to compute with.
 *
 * <p>One that is not to be had is an error when the model is opened. Operators that a delegate does
 * not know run on the CPU all the same, and the runtime's Java API does not say how many;
 * {@code edge-deploy profile --device android} reads it from the phone's log. Answers of NNAPI and
 * GPU may differ from the CPU's, whose golden answers the self-test knows.
 */
public enum Delegate {
    /** The fast CPU kernels, which the runtime uses by default. */
    XNNPACK,
    /** TFLite's own CPU kernels. */
    NONE,
    /** The phone's neural network driver (Android 8.1 and later); retired with Android 15. */
    NNAPI,
    /** The GPU; needs the runtime's GPU library among the app's dependencies. */
    GPU
}
