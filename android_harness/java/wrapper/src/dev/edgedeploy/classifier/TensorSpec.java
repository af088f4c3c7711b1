package dev.edgedeploy.classifier;

import java.util.Arrays;

/** Shape, type and quantization of one tensor of the model. */
final class TensorSpec {
    private final int[] shape;
    final String dtype;
    /** Exactly the model's float32 scale, or 0 where the tensor is not quantized. */
    final double scale;
    final int zeroPoint;

    TensorSpec(int[] shape, String dtype, double scale, int zeroPoint) {
        this.shape = shape.clone();
        this.dtype = dtype;
        this.scale = scale;
        this.zeroPoint = zeroPoint;
    }

    static TensorSpec from(JsonFields fields) {
        int[] shape = fields.integers("shape");
        for (int size : shape) {
            if (size < 1 || size > 1 << 20) {
                throw new ClassifierException(
                        "contract.json: the shape " + Arrays.toString(shape) + " makes no sense; "
                                + "build the bundle again");
            }
        }
        double scale = fields.number("scale");
        if (!(scale >= 0) || Double.isInfinite(scale)) {
            throw new ClassifierException(
                    "contract.json: the scale " + scale + " makes no sense; "
                            + "build the bundle again");
        }
        String dtype = fields.choice("dtype", "float32", "int8", "uint8", "int16");
        return new TensorSpec(shape, dtype, scale, fields.integer("zero_point"));
    }

    int[] shape() {
        return shape.clone();
    }

    int rank() {
        return shape.length;
    }

    int size(int axis) {
        return shape[axis];
    }

    /** Values in the tensor. */
    long count() {
        long count = 1;
        for (int size : shape) {
            count *= size;
        }
        return count;
    }

    boolean isFloat() {
        return dtype.equals("float32");
    }

    /** Bytes of one value. */
    int width() {
        return isFloat() ? 4 : dtype.equals("int16") ? 2 : 1;
    }

    /** The smallest and the largest code of an integer type. */
    int least() {
        return dtype.equals("int8") ? -128 : dtype.equals("int16") ? -32768 : 0;
    }

    int most() {
        return dtype.equals("int8") ? 127 : dtype.equals("int16") ? 32767 : 255;
    }

    boolean sameKind(int[] otherShape, String otherType) {
        return Arrays.equals(shape, otherShape) && dtype.equals(otherType);
    }

    @Override
    public String toString() {
        return dtype + " " + Arrays.toString(shape);
    }
}
