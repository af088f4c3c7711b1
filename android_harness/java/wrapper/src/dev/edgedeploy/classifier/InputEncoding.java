package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** From 8-bit pixels to the bytes of the input tensor: colour order, normalization, codes. */
final class InputEncoding {
    /** What a half and the rounding of the stored float32 scale are nudged over. */
    private static final double HALF_UP = 0.5 + 1e-4;

    private final boolean reversed;
    private final boolean channelsFirst;
    private final int channels;
    private final int width;
    /** For each channel of the tensor, the bytes of each of the 256 pixel values. */
    private final byte[][] tables;

    InputEncoding(Preprocessing contract, TensorSpec input) {
        channels = contract.channels();
        reversed = contract.colorOrder.equals("BGR");
        channelsFirst = contract.channelsFirst;
        width = input.width();
        tables = new byte[channels][];
        for (int c = 0; c < channels; c++) {
            tables[c] = table(contract.mean[c], contract.std[c], input);
        }
    }

    private static byte[] table(double mean, double std, TensorSpec input) {
        ByteBuffer bytes = ByteBuffer.allocate(256 * input.width())
                .order(ByteOrder.nativeOrder());
        for (int pixel = 0; pixel < 256; pixel++) {
            if (input.isFloat()) {
                bytes.putFloat((pixel - (float) mean) / (float) std);
                continue;
            }
            double code = Math.floor(
                    (pixel - mean) / std / input.scale + input.zeroPoint + HALF_UP);
            int clipped = (int) Math.max(input.least(), Math.min(input.most(), code));
            if (input.width() == 2) {
                bytes.putShort((short) clipped);
            } else {
                bytes.put((byte) clipped);
            }
        }
        return bytes.array();
    }

    /** The tensor in the machine's byte order; {@code pixels} as {@link PhotoFitting} gives. */
    byte[] encode(byte[] pixels) {
        int count = pixels.length / channels;
        byte[] tensor = new byte[pixels.length * width];
        for (int c = 0; c < channels; c++) {
            byte[] table = tables[c];
            int from = reversed ? channels - 1 - c : c;
            int to = (channelsFirst ? c * count : c) * width;
            int step = (channelsFirst ? 1 : channels) * width;
            for (int i = 0; i < count; i++, from += channels, to += step) {
                int entry = (pixels[from] & 0xff) * width;
                for (int b = 0; b < width; b++) {
                    tensor[to + b] = table[entry + b];
                }
            }
        }
        return tensor;
    }
}
