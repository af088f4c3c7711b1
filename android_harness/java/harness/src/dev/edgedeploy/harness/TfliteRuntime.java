package dev.edgedeploy.harness;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;

/** TensorFlow Lite through its Java classes, with XNNPACK, the GPU delegate or NNAPI. */
final class TfliteRuntime implements ModelRuntime {
    private final TfliteDelegates delegates;
    private final String version;

    /** Loads the native library by its path, before the classes look for one by name. */
    TfliteRuntime(Request.RuntimeChoice choice) throws Refusal {
        NativeLibrary.load(choice.library, "TFLite library");
        delegates = new TfliteDelegates(choice.gpuLibrary);
        try {
            TensorFlowLite.init();
            version = TensorFlowLite.runtimeVersion();
        } catch (LinkageError | RuntimeException error) {
            throw Refusal.device("the TFLite library " + new File(choice.library).getName()
                + " does not fit the TFLite classes (" + RuntimeWords.oneLine(error)
                + "); name a library of the classes' own version");
        }
    }

    @Override
    public String name() {
        return "tensorflow-lite";
    }

    @Override
    public String version() {
        return version;
    }

    @Override
    public LoadedModel load(File model, String name, int threads, String delegate)
            throws Refusal {
        Interpreter.Options options = new Interpreter.Options();
        options.setNumThreads(threads);
        AutoCloseable added = delegates.addTo(options, delegate);
        if (added == null) {
            // What GPU and NNAPI leave runs as the runtime does by default, like in an app.
            options.setUseXNNPACK(!delegate.equals("none"));
        }
        LoadedModel loaded = null;
        try {
            loaded = new TfliteModel(
                new Interpreter(mapped(model, name), options), name, delegate, added);
            return loaded;
        } catch (IllegalArgumentException | IllegalStateException error) {
            if (added != null) {
                throw unusable(delegate, name, error);
            }
            throw RuntimeWords.refused(name, error);
        } catch (LinkageError error) {
            if (added != null) {
                throw unusable(delegate, name, error);
            }
            throw Refusal.device("the TFLite library does not fit the TFLite classes ("
                + RuntimeWords.oneLine(error) + "); name a library of the classes' own version");
        } finally {
            if (loaded == null) {
                TfliteDelegates.close(added);
            }
        }
    }

    private static Refusal unusable(String delegate, String name, Throwable error) {
        return Refusal.device("the delegate " + delegate + " does not run " + name + " ("
            + RuntimeWords.oneLine(error) + "); measure with another delegate");
    }

    private static MappedByteBuffer mapped(File model, String name) throws Refusal {
        try (RandomAccessFile file = new RandomAccessFile(model, "r");
                FileChannel channel = file.getChannel()) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
        } catch (IOException error) {
            throw Refusal.badInput(name + " cannot be read: " + RuntimeWords.oneLine(error));
        }
    }
}
