package dev.edgedeploy.classifier;

import java.io.Closeable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;

/**
 * One model in the runtime: bytes of the input tensor in, bytes of the output tensor out.
 *
 * <p>Several threads may call; one inference runs at a time. The GPU delegate wants all calls
 * from the thread that made it: there, inferences run on a thread of the runner's own.
 */
final class ModelRunner implements Closeable {
    private final String name;
    private final ExecutorService gpuThread;
    private Interpreter interpreter;
    private org.tensorflow.lite.Delegate delegate;
    private ByteBuffer input;
    private ByteBuffer output;

    private ModelRunner(String name, ExecutorService gpuThread) {
        this.name = name;
        this.gpuThread = gpuThread;
    }

    /** Loads a mapped model; throws where the runtime refuses it or it is not as described. */
    static ModelRunner open(ByteBuffer model, ModelContract contract, Options options) {
        ExecutorService thread = null;
        if (options.delegate() == Delegate.GPU) {
            thread = Executors.newSingleThreadExecutor();
        }
        ModelRunner runner = new ModelRunner(contract.modelFile, thread);
        try {
            runner.onItsThread(() -> {
                runner.load(model, contract, options);
                return null;
            });
            return runner;
        } catch (RuntimeException error) {
            runner.close();
            throw error;
        }
    }

    private void load(ByteBuffer model, ModelContract contract, Options options) {
        try {
            delegate = RuntimeDelegates.open(options.delegate());
            Interpreter.Options wanted = new Interpreter.Options();
            wanted.setNumThreads(options.threads());
            if (delegate != null) {
                // What it leaves runs on the fast kernels, as the runtime does by default.
                wanted.addDelegate(delegate);
            } else {
                wanted.setUseXNNPACK(options.delegate() == Delegate.XNNPACK);
            }
            interpreter = new Interpreter(model, wanted);
            interpreter.allocateTensors();
        } catch (ClassifierException error) {
            throw error;
        } catch (IllegalArgumentException | IllegalStateException
                | UnsupportedOperationException error) {
            throw refusal(options.delegate(), error);
        } catch (LinkageError error) {
            throw notLoaded(options.delegate(), error);
        }
        if (interpreter.getInputTensorCount() != 1 || interpreter.getOutputTensorCount() != 1) {
            throw new ClassifierException(
                    name + " has " + interpreter.getInputTensorCount() + " inputs and "
                            + interpreter.getOutputTensorCount() + " outputs; a classifier has "
                            + "one of each");
        }
        checkTensor("input", interpreter.getInputTensor(0), contract.input);
        checkTensor("output", interpreter.getOutputTensor(0), contract.output);
        input = buffer(contract.input);
        output = buffer(contract.output);
    }

    private static ClassifierException notLoaded(Delegate wanted, LinkageError error) {
        boolean cpu = wanted == Delegate.XNNPACK || wanted == Delegate.NONE;
        String what = cpu ? "the TFLite runtime" : "the delegate " + wanted + " or the runtime";
        return new ClassifierException(
                what + " cannot be loaded (" + error.getMessage() + "); add it to the app's "
                        + "dependencies, with its library for this phone's ABI",
                error);
    }

    private ClassifierException refusal(Delegate wanted, RuntimeException error) {
        String words = String.valueOf(error.getMessage()).trim();
        boolean cpu = wanted == Delegate.XNNPACK || wanted == Delegate.NONE;
        return new ClassifierException(
                cpu ? "the TFLite runtime refuses " + name + ": " + words
                                + "; check it with `edge-deploy inspect`"
                        : "the delegate " + wanted + " does not take " + name + " on this phone: "
                                + words + "; use Delegate.XNNPACK",
                error);
    }

    private void checkTensor(String which, Tensor tensor, TensorSpec spec) {
        String dtype = tensor.dataType().toString().toLowerCase(Locale.ROOT);
        if (!spec.sameKind(tensor.shape(), dtype)) {
            throw new ClassifierException(
                    "the " + which + " of " + name + " is " + dtype + " "
                            + java.util.Arrays.toString(tensor.shape()) + " but contract.json says "
                            + spec + "; build the bundle again");
        }
    }

    private static ByteBuffer buffer(TensorSpec spec) {
        return ByteBuffer.allocateDirect((int) spec.count() * spec.width())
                .order(ByteOrder.nativeOrder());
    }

    /** The output tensor for an input tensor, both in the machine's byte order. */
    byte[] run(byte[] tensor) {
        return onItsThread(() -> infer(tensor));
    }

    private byte[] infer(byte[] tensor) {
        if (interpreter == null) {
            throw new ClassifierException("the classifier of " + name
                    + " is closed; open another with Classifier.fromAssets");
        }
        if (tensor.length != input.capacity()) {
            throw new ClassifierException(
                    "the input tensor has " + tensor.length + " bytes but " + name + " takes "
                            + input.capacity());
        }
        input.clear();
        input.put(tensor);
        input.rewind();
        output.clear();
        try {
            interpreter.run(input, output);
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new ClassifierException(
                    name + " could not be run: " + error.getMessage() + "; open it again", error);
        }
        byte[] answer = new byte[output.capacity()];
        output.rewind();
        output.get(answer);
        return answer;
    }

    /** Waits for an inference that runs; a second time it does nothing. */
    @Override
    public void close() {
        if (gpuThread != null && gpuThread.isShutdown()) {
            return;
        }
        onItsThread(() -> {
            free();
            return null;
        });
        if (gpuThread != null) {
            gpuThread.shutdown();
        }
    }

    private void free() {
        if (interpreter != null) {
            interpreter.close();
            interpreter = null;
        }
        if (delegate != null) {
            delegate.close();
            delegate = null;
        }
    }

    private <T> T onItsThread(Callable<T> task) {
        synchronized (this) {
            try {
                if (gpuThread == null) {
                    return task.call();
                }
                if (gpuThread.isShutdown()) {
                    throw new ClassifierException("the classifier of " + name
                            + " is closed; open another with Classifier.fromAssets");
                }
                Future<T> future = gpuThread.submit(task);
                return future.get();
            } catch (RuntimeException | Error error) {
                throw error;
            } catch (ExecutionException error) {
                if (error.getCause() instanceof RuntimeException) {
                    throw (RuntimeException) error.getCause();
                }
                throw new ClassifierException(name + " could not be run: " + error.getCause(),
                        error.getCause());
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
                throw new ClassifierException(
                        "waiting for " + name + " was interrupted; classify again", error);
            } catch (Exception error) {
                throw new IllegalStateException(error); // none of the tasks throws another
            }
        }
    }
}
