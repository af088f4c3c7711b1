package dev.edgedeploy.harness;

import java.nio.ByteBuffer;
import java.util.List;

/** One model in a runtime, allocated and ready. Tensors are numbered as the model lists them. */
public interface LoadedModel extends AutoCloseable {
    /** The inputs. */
    List<TensorInfo> inputs();

    /** The outputs. */
    List<TensorInfo> outputs();

    /** Memory for an input, in the byte order of the machine; what is put there is run. */
    ByteBuffer input(int index);

    /** A view of an output as the last run left it. */
    ByteBuffer output(int index);

    /** One inference; the nanoseconds of the runtime's work alone. */
    long run() throws Refusal;

    /** The delegate in use, as far as this process can tell. */
    DelegateUse delegate();

    @Override
    void close();
}
