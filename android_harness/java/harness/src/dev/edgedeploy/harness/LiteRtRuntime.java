package dev.edgedeploy.harness;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** LiteRT through its C API, on the CPU: with XNNPACK, or with its own kernels. */
final class LiteRtRuntime implements ModelRuntime {
    private final String library;

    /** Loads the shim and the library. */
    LiteRtRuntime(Request.RuntimeChoice choice) throws Refusal {
        if (choice.shim == null) {
            throw Refusal.device("LiteRT needs its shim, which the request does not name; "
                + "run the command again, which brings it there");
        }
        if (!new File(choice.library).isFile()) {
            throw Refusal.device("there is no LiteRT library at " + choice.library
                + "; run the command again, which brings it there");
        }
        NativeLibrary.load(choice.shim, "LiteRT shim");
        library = new File(choice.library).getAbsolutePath();
        try {
            LiteRtNative.load(path(library));
        } catch (UnsatisfiedLinkError error) {
            throw Refusal.device(RuntimeWords.oneLine(error)
                + "; name a LiteRT library for this device with --runtime");
        }
    }

    @Override
    public String name() {
        return "litert";
    }

    @Override
    public String version() {
        return "unknown";
    }

    @Override
    public LoadedModel load(File model, String name, int threads, String delegate)
            throws Refusal {
        if (delegate.equals("gpu") || delegate.equals("nnapi")) {
            throw Refusal.device("the delegate " + delegate + " was asked for, but a LiteRT "
                + "library is run on the CPU alone; measure with another runtime or delegate");
        }
        try {
            long handle = LiteRtNative.open(
                path(library), path(model.getAbsolutePath()), threads, !delegate.equals("none"));
            return new Loaded(handle, name, delegate);
        } catch (OutOfMemoryError | IllegalArgumentException error) {
            throw RuntimeWords.refused(name, error);
        }
    }

    private static byte[] path(String text) {
        return (text + '\0').getBytes(StandardCharsets.UTF_8);
    }

    private static final class Loaded implements LoadedModel {
        private final String name;
        private final String delegate;
        private final List<ByteBuffer> inputMemory;
        private final List<ByteBuffer> outputMemory;
        private final List<TensorInfo> inputs;
        private final List<TensorInfo> outputs;
        private long handle;

        Loaded(long handle, String name, String delegate) {
            this.handle = handle;
            this.name = name;
            this.delegate = delegate;
            try {
                inputs = types(false);
                outputs = types(true);
                inputMemory = memory(false, inputs);
                outputMemory = memory(true, outputs);
            } catch (RuntimeException | Error error) {
                close();
                throw error;
            }
        }

        private List<TensorInfo> types(boolean output) {
            List<TensorInfo> found = new ArrayList<>();
            for (int index = 0; index < LiteRtNative.count(handle, output); index++) {
                int[] type = LiteRtNative.type(handle, output, index);
                found.add(new TensorInfo(
                    TensorInfo.typeName(type[0]), Arrays.copyOfRange(type, 1, type.length)));
            }
            return found;
        }

        private List<ByteBuffer> memory(boolean output, List<TensorInfo> types) {
            List<ByteBuffer> found = new ArrayList<>();
            for (int index = 0; index < types.size(); index++) {
                ByteBuffer whole = LiteRtNative.memory(handle, output, index);
                // LiteRT may ask for more memory than the tensor's own bytes.
                whole.limit((int) Math.min(whole.capacity(), types.get(index).bytes()));
                found.add(whole.slice().order(ByteOrder.nativeOrder()));
            }
            return found;
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
            ByteBuffer memory = inputMemory.get(index);
            memory.clear();
            return memory;
        }

        @Override
        public ByteBuffer output(int index) {
            ByteBuffer memory = outputMemory.get(index);
            memory.clear();
            return memory;
        }

        @Override
        public long run() throws Refusal {
            try {
                long begun = System.nanoTime();
                LiteRtNative.run(handle);
                return System.nanoTime() - begun;
            } catch (IllegalArgumentException error) {
                throw RuntimeWords.refused(name, error);
            }
        }

        @Override
        public DelegateUse delegate() {
            if (delegate.equals("none")) {
                return DelegateUse.NONE;
            }
            // Of a share between none and all the C API says nothing.
            return LiteRtNative.delegated(handle) ? new DelegateUse("XNNPACK", 1.0)
                : DelegateUse.UNKNOWN;
        }

        @Override
        public void close() {
            if (handle != 0) {
                LiteRtNative.close(handle);
                handle = 0;
            }
        }
    }
}
