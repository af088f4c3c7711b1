package dev.edgedeploy.harness;

import org.tensorflow.lite.Delegate;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.nnapi.NnApiDelegate;

/** The delegates that TFLite takes as objects: GPU and NNAPI. */
final class TfliteDelegates {
    private static final String GPU_CLASS = "org.tensorflow.lite.gpu.GpuDelegate";

    private final String gpuLibrary;

    /** The path of the GPU delegate's library, or null. */
    TfliteDelegates(String gpuLibrary) {
        this.gpuLibrary = gpuLibrary;
    }

    /** Adds the delegate that is asked for; returns what has to be closed, or null. */
    AutoCloseable addTo(Interpreter.Options options, String delegate) throws Refusal {
        try {
            if (delegate.equals("gpu")) {
                Delegate made = gpu();
                options.addDelegate(made);
                return (AutoCloseable) made;
            }
            if (delegate.equals("nnapi")) {
                // Without this NNAPI may answer with its own slow kernels on the CPU.
                NnApiDelegate made =
                    new NnApiDelegate(new NnApiDelegate.Options().setUseNnapiCpu(false));
                options.addDelegate(made);
                return made;
            }
            return null;
        } catch (LinkageError | RuntimeException error) {
            throw refused(delegate, error);
        }
    }

    /** Closes a delegate, if there is one. */
    static void close(AutoCloseable delegate) {
        try {
            if (delegate != null) {
                delegate.close();
            }
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private Delegate gpu() throws Refusal {
        if (gpuLibrary == null) {
            throw Refusal.device("the GPU delegate was asked for, but its library is not here; "
                + "give one with --runtime");
        }
        NativeLibrary.load(gpuLibrary, "GPU delegate's library");
        try {
            return (Delegate) Class.forName(GPU_CLASS).getConstructor().newInstance();
        } catch (ReflectiveOperationException error) {
            throw refused("gpu", error.getCause() == null ? error : error.getCause());
        }
    }

    private static Refusal refused(String delegate, Throwable error) {
        return Refusal.device("the delegate " + delegate + " was asked for, but it cannot be had "
            + "here (" + RuntimeWords.oneLine(error) + "); measure with another delegate");
    }
}
