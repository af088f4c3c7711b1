package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** From the bytes of the output tensor to the best classes. */
final class Scores {
    private Scores() {}

    /** Real values; bytes in the machine's order. */
    static float[] dequantize(byte[] output, TensorSpec spec) {
        float[] values = new float[(int) spec.count()];
        ByteBuffer bytes = ByteBuffer.wrap(output).order(ByteOrder.nativeOrder());
        for (int i = 0; i < values.length; i++) {
            if (spec.isFloat()) {
                values[i] = bytes.getFloat();
                continue;
            }
            int code;
            if (spec.width() == 2) {
                code = bytes.getShort();
            } else if (spec.dtype.equals("uint8")) {
                code = bytes.get() & 0xff;
            } else {
                code = bytes.get();
            }
            values[i] = spec.scale == 0 ? code : ((float) code - spec.zeroPoint)
                    * (float) spec.scale;
        }
        return values;
    }

    /** Throws where a model is broken, which answers with NaN or infinity. */
    static void checkFinite(float[] values, String name) {
        for (float value : values) {
            if (Float.isNaN(value) || Float.isInfinite(value)) {
                throw new ClassifierException(
                        name + " answers with NaN, so it is broken; convert it again");
            }
        }
    }

    /** Probabilities that sum to 1. */
    static float[] softmax(float[] logits) {
        double top = Double.NEGATIVE_INFINITY;
        for (float value : logits) {
            top = Math.max(top, value);
        }
        double[] powers = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < logits.length; i++) {
            powers[i] = Math.exp(logits[i] - top);
            sum += powers[i];
        }
        float[] probabilities = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] = (float) (powers[i] / sum);
        }
        return probabilities;
    }

    /** The {@code k} classes of the largest {@code raw}; of equal ones the lower number first. */
    static List<Result> top(float[] raw, float[] scores, List<String> labels, int k) {
        int[] best = new int[Math.min(k, raw.length)];
        int found = 0;
        for (int i = 0; i < raw.length; i++) {
            int place = found;
            while (place > 0 && raw[best[place - 1]] < raw[i]) {
                place--;
            }
            if (place == best.length) {
                continue;
            }
            int last = Math.min(found, best.length - 1);
            System.arraycopy(best, place, best, place + 1, last - place);
            best[place] = i;
            found = Math.min(found + 1, best.length);
        }
        List<Result> results = new ArrayList<>(found);
        for (int index : best) {
            String label = labels.isEmpty() ? String.valueOf(index) : labels.get(index);
            results.add(new Result(label, index, scores[index], raw[index]));
        }
        return results;
    }
}
