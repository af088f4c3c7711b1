package dev.edgedeploy.classifier;

import java.lang.reflect.InvocationTargetException;

/**
 * The runtime's delegates for GPU and NNAPI.
 *
 * <p>By reflection, for an app that does without them need not have their classes.
 */
final class RuntimeDelegates {
    private static final String GPU = "org.tensorflow.lite.gpu.GpuDelegate";
    private static final String GPU_CHECK = "org.tensorflow.lite.gpu.CompatibilityList";
    private static final String NNAPI = "org.tensorflow.lite.nnapi.NnApiDelegate";

    private RuntimeDelegates() {}

    /** One to add to the interpreter's options, or null for the CPU. */
    static org.tensorflow.lite.Delegate open(Delegate wanted) {
        switch (wanted) {
            case GPU:
                checkGpu();
                return make(GPU, "GPU", "add the runtime's GPU library (litert-gpu or "
                        + "tensorflow-lite-gpu) to the app's dependencies");
            case NNAPI:
                return make(NNAPI, "NNAPI", "use Delegate.XNNPACK");
            default:
                return null;
        }
    }

    private static void checkGpu() {
        try {
            Class<?> type = Class.forName(GPU_CHECK);
            Object list = type.getConstructor().newInstance();
            Object supported = type.getMethod("isDelegateSupportedOnThisDevice").invoke(list);
            type.getMethod("close").invoke(list);
            if (Boolean.FALSE.equals(supported)) {
                throw new ClassifierException(
                        "the runtime does not support this phone's GPU; use Delegate.XNNPACK");
            }
        } catch (ReflectiveOperationException | LinkageError error) {
            throw new ClassifierException(
                    "the delegate GPU is not available (" + reason(error) + "); add the runtime's "
                            + "GPU library (litert-gpu or tensorflow-lite-gpu) to the app's "
                            + "dependencies", error);
        }
    }

    private static org.tensorflow.lite.Delegate make(String type, String name, String cure) {
        try {
            return (org.tensorflow.lite.Delegate) Class.forName(type).getConstructor()
                    .newInstance();
        } catch (ReflectiveOperationException | LinkageError | ClassCastException error) {
            throw new ClassifierException(
                    "the delegate " + name + " is not available (" + reason(error) + "); " + cure,
                    error);
        }
    }

    private static String reason(Throwable error) {
        Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
        String kind = cause.getClass().getSimpleName();
        return cause.getMessage() == null ? kind : kind + ": " + cause.getMessage();
    }
}
