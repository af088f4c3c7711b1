package dev.edgedeploy.harness;

/** What an input or output is: its element type by numpy's name, and its sizes. */
public final class TensorInfo {
    /** Element types by the number that TFLite and LiteRT give them; null where there is none. */
    private static final String[] TYPES = {
        null, "float32", "int32", "uint8", "int64", null, "bool", "int16", "complex64", "int8",
        "float16", "float64", "complex128", "uint64", null, null, "uint32", "uint16"};

    public final String dtype;
    public final int[] shape;

    /** A tensor of the element type with this name; "unknown" for one that has no name here. */
    public TensorInfo(String dtype, int[] shape) {
        this.dtype = dtype;
        this.shape = shape;
    }

    /** The name of an element type by its number. */
    public static String typeName(int code) {
        String name = code >= 0 && code < TYPES.length ? TYPES[code] : null;
        return name == null ? "unknown" : name;
    }

    /** The number of elements. */
    public long elements() {
        long count = 1;
        for (int size : shape) {
            count *= size;
        }
        return count;
    }

    /** The bytes of all elements; 0 for an unknown type. */
    public long bytes() {
        return elements() * elementBytes();
    }

    /** The bytes of one element; 0 for an unknown type. */
    public int elementBytes() {
        switch (dtype) {
            case "int8":
            case "uint8":
            case "bool":
                return 1;
            case "int16":
            case "uint16":
            case "float16":
                return 2;
            case "float32":
            case "int32":
            case "uint32":
                return 4;
            case "int64":
            case "uint64":
            case "float64":
            case "complex64":
                return 8;
            case "complex128":
                return 16;
            default:
                return 0;
        }
    }
}
