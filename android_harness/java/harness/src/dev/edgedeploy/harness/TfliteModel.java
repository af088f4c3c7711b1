package dev.edgedeploy.harness;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;

/** One model in TensorFlow Lite. */
final class TfliteModel implements LoadedModel {
    private final Interpreter interpreter;
    private final String name;
    private final String asked;
    private final AutoCloseable delegate;
    private final List<TensorInfo> inputs = new ArrayList<>();
    private final List<TensorInfo> outputs = new ArrayList<>();
    private final ByteBuffer[] memory;
    // Outputs are read where TFLite has them.
    private final Map<Integer, Object> nothing = new HashMap<>();

    /** Closes the interpreter where it throws; the delegate remains the caller's then. */
    TfliteModel(Interpreter interpreter, String name, String asked, AutoCloseable delegate) {
        this.interpreter = interpreter;
        this.name = name;
        this.asked = asked;
        this.delegate = delegate;
        try {
            memory = new ByteBuffer[interpreter.getInputTensorCount()];
            for (int index = 0; index < memory.length; index++) {
                Tensor tensor = interpreter.getInputTensor(index);
                inputs.add(info(tensor));
                memory[index] =
                    ByteBuffer.allocateDirect(tensor.numBytes()).order(ByteOrder.nativeOrder());
            }
            for (int index = 0; index < interpreter.getOutputTensorCount(); index++) {
                outputs.add(info(interpreter.getOutputTensor(index)));
            }
        } catch (RuntimeException | Error error) {
            interpreter.close();
            throw error;
        }
    }

    private static TensorInfo info(Tensor tensor) {
        return new TensorInfo(
            tensor.dataType().name().toLowerCase(Locale.ROOT), tensor.shape());
    }

    @Override
    public List<TensorInfo> inputs() {
        return inputs;
    }

    @Override
    public List<TensorInfo> outputs() {
        return outputs;
    }

    @Override
    public ByteBuffer input(int index) {
        memory[index].clear();
        return memory[index];
    }

    @Override
    public ByteBuffer output(int index) {
        return interpreter.getOutputTensor(index).asReadOnlyBuffer();
    }

    @Override
    public long run() throws Refusal {
        try {
            for (ByteBuffer input : memory) {
                input.clear();
            }
            interpreter.runForMultipleInputsOutputs(memory, nothing);
            // Without the copy of the inputs that the Java classes make first.
            return interpreter.getLastNativeInferenceDurationNanoseconds();
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw RuntimeWords.refused(name, error);
        }
    }

    @Override
    public DelegateUse delegate() {
        // The Java classes do not tell what a delegate took; the log may.
        return asked.equals("none") ? DelegateUse.NONE : DelegateUse.UNKNOWN;
    }

    @Override
    public void close() {
        interpreter.close();
        TfliteDelegates.close(delegate);
    }
}
