package dev.edgedeploy.harness;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;

/** Fixed random values for every input: 8-bit integers over their range, wider ones 0 or 1. */
final class RandomInputs {
    private static final long SEED = 20240607;

    private RandomInputs() {
    }

    /** Fills all inputs; floats lie within `ranges` where there is one, else within [-1, 1]. */
    static void fill(LoadedModel model, List<double[]> ranges) throws Refusal {
        Random random = new Random(SEED);
        for (int index = 0; index < model.inputs().size(); index++) {
            double[] range = index < ranges.size() ? ranges.get(index) : null;
            fill(model.inputs().get(index), model.input(index), random,
                range == null ? new double[] {-1.0, 1.0} : range);
        }
    }

    private static void fill(TensorInfo info, ByteBuffer memory, Random random, double[] range)
            throws Refusal {
        long count = info.elements();
        boolean complex = info.dtype.startsWith("complex");
        for (long element = 0; element < (complex ? 2 * count : count); element++) {
            double value = range[0] + (range[1] - range[0]) * random.nextDouble();
            switch (info.dtype) {
                case "float32":
                case "complex64":
                    memory.putFloat((float) value);
                    break;
                case "float64":
                case "complex128":
                    memory.putDouble(value);
                    break;
                case "float16":
                    memory.putShort(half((float) value));
                    break;
                case "int8":
                case "uint8":
                    memory.put((byte) random.nextInt(256));
                    break;
                case "int16":
                case "uint16":
                    memory.putShort((short) random.nextInt(65536));
                    break;
                case "bool":
                    memory.put((byte) random.nextInt(2));
                    break;
                case "int32":
                case "uint32":
                    memory.putInt(random.nextInt(2));
                    break;
                case "int64":
                case "uint64":
                    memory.putLong(random.nextInt(2));
                    break;
                default:
                    throw Refusal.badInput("a model with " + info.dtype
                        + " input cannot be measured with random values");
            }
        }
    }

    /** The 16 bits of a half-precision number, cut off; what is too small for it is 0. */
    static short half(float value) {
        int bits = Float.floatToIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        int exponent = (bits >>> 23 & 0xff) - 127 + 15;
        if (exponent <= 0) {
            return (short) sign;
        }
        if (exponent >= 31) {
            return (short) (sign | 0x7bff);
        }
        return (short) (sign | exponent << 10 | bits >>> 13 & 0x3ff);
    }
}
