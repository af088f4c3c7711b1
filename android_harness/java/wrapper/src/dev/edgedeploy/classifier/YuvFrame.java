package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;

/**
 * A camera frame in three planes with a quarter of the colour samples (4:2:0), as
 * {@code YUV_420_888} gives it: NV21, NV12 and I420 are the same planes with other strides.
 *
 * <p>Colours are BT.601 with the full range of 0 to 255 (JFIF), which is what Android's cameras
 * give unless they are asked for another. A colour sample stands for its 2 x 2 pixels.
 */
final class YuvFrame implements PixelSource {
    private static final String[] NAMES = {"Y", "U", "V"};
    private final ByteBuffer[] planes = new ByteBuffer[3];
    private final int[] rowStrides;
    private final int[] pixelStrides;
    private final int width;
    private final int height;
    private byte[] luma = new byte[0];
    private byte[] blue = new byte[0];
    private byte[] red = new byte[0];

    /**
     * {@code planes}, {@code rowStrides} and {@code pixelStrides}: Y, U (Cb), V (Cr), in bytes.
     * A plane is read from its buffer's position; buffers are neither copied nor moved on.
     */
    YuvFrame(ByteBuffer[] planes, int[] rowStrides, int[] pixelStrides, int width, int height) {
        if (width < 1 || height < 1) {
            throw new ClassifierException(
                    "the frame is " + width + " x " + height + " pixels; give one with pixels");
        }
        if (planes == null || rowStrides == null || pixelStrides == null || planes.length != 3
                || rowStrides.length != 3 || pixelStrides.length != 3) {
            throw new ClassifierException(
                    "a YUV frame needs three planes, row strides and pixel strides: Y, U, V");
        }
        this.rowStrides = rowStrides.clone();
        this.pixelStrides = pixelStrides.clone();
        this.width = width;
        this.height = height;
        for (int i = 0; i < 3; i++) {
            this.planes[i] = checked(i, planes[i]);
        }
    }

    private ByteBuffer checked(int plane, ByteBuffer buffer) {
        int columns = plane == 0 ? width : (width + 1) / 2;
        int rows = plane == 0 ? height : (height + 1) / 2;
        long rowBytes = (columns - 1L) * pixelStrides[plane] + 1;
        // The last row may end with its last sample.
        long needed = (rows - 1L) * rowStrides[plane] + rowBytes;
        if (pixelStrides[plane] < 1 || rowStrides[plane] < rowBytes) {
            throw new ClassifierException(
                    "the strides of plane " + NAMES[plane] + " (row " + rowStrides[plane]
                            + ", pixel " + pixelStrides[plane] + " bytes) do not fit a frame "
                            + width + " pixels wide; give those of its planes");
        }
        if (buffer == null || buffer.remaining() < needed) {
            throw new ClassifierException(
                    "plane " + NAMES[plane] + " has " + (buffer == null ? 0 : buffer.remaining())
                            + " bytes and needs " + needed + " for a frame of " + width + " x "
                            + height + " pixels; give the whole plane");
        }
        return buffer.slice();
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public void read(int left, int top, int partWidth, int partHeight, byte[] rgb) {
        int firstPair = left / 2;
        int pairs = (left + partWidth - 1) / 2 - firstPair + 1;
        luma = enough(luma, (partWidth - 1) * pixelStrides[0] + 1);
        blue = enough(blue, (pairs - 1) * pixelStrides[1] + 1);
        red = enough(red, (pairs - 1) * pixelStrides[2] + 1);
        int to = 0;
        for (int y = top; y < top + partHeight; y++) {
            copyRow(0, y, left, partWidth, luma);
            copyRow(1, y / 2, firstPair, pairs, blue);
            copyRow(2, y / 2, firstPair, pairs, red);
            for (int x = 0; x < partWidth; x++) {
                int pair = (left + x) / 2 - firstPair;
                int light = luma[x * pixelStrides[0]] & 0xff;
                int cb = (blue[pair * pixelStrides[1]] & 0xff) - 128;
                int cr = (red[pair * pixelStrides[2]] & 0xff) - 128;
                // 1.402, 0.344136286, 0.714136286 and 1.772 times 65536.
                rgb[to++] = clip(light + ((91881 * cr + 0x8000) >> 16));
                rgb[to++] = clip(light + ((0x8000 - 22553 * cb - 46802 * cr) >> 16));
                rgb[to++] = clip(light + ((116130 * cb + 0x8000) >> 16));
            }
        }
    }

    private void copyRow(int plane, int row, int column, int count, byte[] to) {
        ByteBuffer bytes = planes[plane];
        bytes.position(row * rowStrides[plane] + column * pixelStrides[plane]);
        bytes.get(to, 0, (count - 1) * pixelStrides[plane] + 1);
    }

    private static byte[] enough(byte[] array, int size) {
        return array.length >= size ? array : new byte[size];
    }

    private static byte clip(int value) {
        return (byte) (value < 0 ? 0 : value > 255 ? 255 : value);
    }
}
