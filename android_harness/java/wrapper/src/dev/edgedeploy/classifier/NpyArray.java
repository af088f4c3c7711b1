package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A tensor in NumPy's file format, little-endian, in C order. */
final class NpyArray {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final Pattern DTYPE = Pattern.compile("'descr': *'([<|][a-z][0-9])'");
    private static final Pattern SHAPE = Pattern.compile("'shape': *\\(([0-9, ]*)\\)");

    final TensorSpec spec;
    /** The values as they lie in the file. */
    final byte[] bytes;

    private NpyArray(TensorSpec spec, byte[] bytes) {
        this.spec = spec;
        this.bytes = bytes;
    }

    /** Reads one; throws, with {@code name}, for what is none or of a type no photo model has. */
    static NpyArray parse(byte[] file, String name) {
        if (file.length < 12 || !PhotoFile.startsWith(file, 0, MAGIC)) {
            throw damaged(name, "it is no NumPy file");
        }
        ByteBuffer head = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        boolean shortHeader = file[6] == 1;
        long length = shortHeader ? head.getShort(8) & 0xffff : head.getInt(8) & 0xffffffffL;
        long start = (shortHeader ? 10 : 12) + length;
        if (start > file.length) {
            throw damaged(name, "it ends too early");
        }
        String text = new String(file, 0, (int) start, StandardCharsets.ISO_8859_1);
        Matcher dtype = DTYPE.matcher(text);
        Matcher shape = SHAPE.matcher(text);
        if (!dtype.find() || !shape.find() || text.contains("'fortran_order': True")) {
            throw damaged(name, "its header is unknown");
        }
        TensorSpec spec = new TensorSpec(sizes(shape.group(1)), type(dtype.group(1), name), 0, 0);
        if (spec.count() * spec.width() != file.length - start) {
            throw damaged(name, "it has another length than its header says");
        }
        byte[] bytes = new byte[(int) (file.length - start)];
        System.arraycopy(file, (int) start, bytes, 0, bytes.length);
        return new NpyArray(spec, bytes);
    }

    /** Values that a tensor of this kind has in {@code bytes} (little-endian). */
    static double[] values(TensorSpec spec, byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[(int) spec.count()];
        for (int i = 0; i < values.length; i++) {
            if (spec.isFloat()) {
                values[i] = buffer.getFloat();
            } else if (spec.width() == 2) {
                values[i] = buffer.getShort();
            } else {
                int code = buffer.get();
                values[i] = spec.dtype.equals("uint8") ? code & 0xff : code;
            }
        }
        return values;
    }

    private static int[] sizes(String list) {
        String plain = list.replace(" ", "");
        if (plain.isEmpty()) {
            return new int[0];
        }
        String[] parts = plain.split(",");
        int[] sizes = new int[parts.length];
        for (int i = 0; i < parts.length; i++) {
            sizes[i] = Integer.parseInt(parts[i]);
        }
        return sizes;
    }

    private static String type(String descr, String name) {
        switch (descr.substring(1)) {
            case "f4":
                return "float32";
            case "i1":
                return "int8";
            case "u1":
                return "uint8";
            case "i2":
                return "int16";
            default:
                throw damaged(name, "its type is " + descr);
        }
    }

    private static ClassifierException damaged(String name, String why) {
        return new ClassifierException(
                "the golden file " + name + " cannot be read (" + why + "); build the bundle "
                        + "again");
    }
}
