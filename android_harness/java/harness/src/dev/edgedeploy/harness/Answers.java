package dev.edgedeploy.harness;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs a model on given tensors and keeps what it answers, as raw little-endian files. */
final class Answers {
    private Answers() {
    }

    /** Runs all inputs of a request and writes its outputs; says what the outputs are. */
    static Map<String, Object> of(Request request, ModelRuntime runtime) throws Refusal {
        RunSpec spec = request.spec.withThreads(request.threads.get(0));
        try (LoadedModel model = runtime.load(
                 new File(request.model), request.name, spec.threads, spec.delegate)) {
            for (int number = 0; number < request.inputs.size(); number++) {
                Progress.say("running inputs", number, request.inputs.size());
                run(model, request, number);
            }
            Map<String, Object> found = new LinkedHashMap<>();
            found.put("runs", request.inputs.size());
            found.put("delegate", model.delegate().toJson(spec.delegate));
            found.put("inputs", described(model.inputs()));
            found.put("outputs", described(model.outputs()));
            return found;
        }
    }

    private static void run(LoadedModel model, Request request, int number) throws Refusal {
        List<String> inputs = request.inputs.get(number);
        List<String> outputs = request.outputs.get(number);
        checkCount(request.name, "inputs", model.inputs().size(), inputs.size());
        checkCount(request.name, "outputs", model.outputs().size(), outputs.size());
        for (int index = 0; index < inputs.size(); index++) {
            read(inputs.get(index), model.input(index));
        }
        model.run();
        for (int index = 0; index < outputs.size(); index++) {
            write(outputs.get(index), model.output(index));
        }
    }

    private static void checkCount(String name, String what, int own, int given) throws Refusal {
        if (own != given) {
            throw Refusal.badInput(
                name + " has " + own + " " + what + ", and a run of the request " + given);
        }
    }

    private static void read(String path, ByteBuffer tensor) throws Refusal {
        try (FileChannel channel = new FileInputStream(path).getChannel()) {
            if (channel.size() != tensor.remaining()) {
                throw Refusal.badInput("the tensor " + new File(path).getName() + " has "
                    + channel.size() + " bytes, and the model's input " + tensor.remaining());
            }
            while (tensor.hasRemaining() && channel.read(tensor) >= 0) {
                continue;
            }
        } catch (IOException error) {
            throw Refusal.badInput("the tensor " + new File(path).getName() + " cannot be read: "
                + RuntimeWords.oneLine(error));
        }
    }

    private static void write(String path, ByteBuffer tensor) throws Refusal {
        try (FileChannel channel = new FileOutputStream(path).getChannel()) {
            while (tensor.hasRemaining()) {
                channel.write(tensor);
            }
        } catch (IOException error) {
            throw Refusal.device("the output " + new File(path).getName() + " cannot be written: "
                + RuntimeWords.oneLine(error));
        }
    }

    private static List<Object> described(List<TensorInfo> tensors) {
        List<Object> found = new ArrayList<>();
        for (TensorInfo tensor : tensors) {
            Map<String, Object> entry = new LinkedHashMap<>();
            List<Object> shape = new ArrayList<>();
            for (int size : tensor.shape) {
                shape.add(size);
            }
            entry.put("dtype", tensor.dtype);
            entry.put("shape", shape);
            found.add(entry);
        }
        return found;
    }
}
