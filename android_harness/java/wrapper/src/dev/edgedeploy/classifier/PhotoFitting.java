package dev.edgedeploy.classifier;

import java.util.Arrays;

/** Crops and resizes a photo to the model's input: bytes with 8 bits a channel. */
final class PhotoFitting {
    /** Of a photo, and of what is made of it on the way; as edge_deploy_runner has it. */
    static final long LARGEST_PIXELS = 178_956_970;
    /** Pixels that are read from a photo at a time. */
    private static final int STRIP_PIXELS = 1 << 16;

    private PhotoFitting() {}

    /**
     * The pixels for the model, row by row, 1 (grey) or 3 bytes (red, green, blue) each.
     *
     * <p>{@code photo} is upright. It is resized along its rows first, then along its columns, as
     * Python's {@code resize_photo} does: between the two pixels are rounded to 8 bits, so that the
     * order counts.
     */
    static byte[] fit(PixelSource photo, Preprocessing contract, int width, int height) {
        CenterBox box = contract.centerCrop
                ? CenterBox.of(photo, width, height, contract.cropFraction)
                : CenterBox.whole(photo);
        int channels = contract.channels();
        if (contract.resize.equals("nearest")) {
            return nearest(photo, box, channels, width, height);
        }
        byte[] rows = resizeRows(photo, box, channels, width, contract.resize);
        return resizeColumns(rows, box.height, channels, width, height, contract.resize);
    }

    private static byte[] nearest(
            PixelSource photo, CenterBox box, int channels, int width, int height) {
        int[] columns = Resampling.nearest(box.width, width);
        int[] rows = Resampling.nearest(box.height, height);
        byte[] made = new byte[width * height * channels];
        byte[] row = new byte[3 * box.width];
        int to = 0;
        for (int y = 0; y < height; y++) {
            photo.read(box.left, box.top + rows[y], box.width, 1, row);
            toChannels(row, box.width, channels);
            for (int x = 0; x < width; x++) {
                for (int c = 0; c < channels; c++) {
                    made[to++] = row[columns[x] * channels + c];
                }
            }
        }
        return made;
    }

    private static byte[] resizeRows(
            PixelSource photo, CenterBox box, int channels, int width, String method) {
        if ((long) width * box.height > LARGEST_PIXELS) {
            throw new ClassifierException(
                    "a photo of " + box.width + " x " + box.height + " pixels cannot be stretched "
                            + "to a width of " + width + ": that takes more than "
                            + LARGEST_PIXELS / 1_000_000 + " megapixels; make it less tall first");
        }
        Resampling how = Resampling.of(method, box.width, width);
        byte[] made = new byte[width * box.height * channels];
        int stripRows = Math.max(1, Math.min(box.height, STRIP_PIXELS / box.width));
        byte[] strip = new byte[3 * stripRows * box.width];
        int to = 0;
        for (int top = 0; top < box.height; top += stripRows) {
            int rows = Math.min(stripRows, box.height - top);
            photo.read(box.left, box.top + top, box.width, rows, strip);
            toChannels(strip, rows * box.width, channels);
            for (int y = 0; y < rows; y++) {
                resizeRow(strip, y * box.width * channels, made, to, channels, how);
                to += width * channels;
            }
        }
        return made;
    }

    private static void resizeRow(
            byte[] pixels, int start, byte[] made, int at, int channels, Resampling how) {
        int to = at;
        for (int x = 0; x < how.first.length; x++) {
            int count = how.count[x];
            int weight = x * how.stride;
            int from = start + how.first[x] * channels;
            if (channels == 1) {
                int sum = 1 << (Resampling.BITS - 1);
                for (int k = 0; k < count; k++) {
                    sum += (pixels[from + k] & 0xff) * how.weights[weight + k];
                }
                made[to++] = clip(sum);
                continue;
            }
            int red = 1 << (Resampling.BITS - 1);
            int green = red;
            int blue = red;
            for (int k = 0; k < count; k++, from += 3) {
                int w = how.weights[weight + k];
                red += (pixels[from] & 0xff) * w;
                green += (pixels[from + 1] & 0xff) * w;
                blue += (pixels[from + 2] & 0xff) * w;
            }
            made[to++] = clip(red);
            made[to++] = clip(green);
            made[to++] = clip(blue);
        }
    }

    private static byte[] resizeColumns(
            byte[] rows, int oldHeight, int channels, int width, int height, String method) {
        Resampling how = Resampling.of(method, oldHeight, height);
        int rowBytes = width * channels;
        byte[] made = new byte[height * rowBytes];
        int[] sums = new int[rowBytes];
        for (int y = 0; y < height; y++) {
            sumRows(rows, y, how, sums);
            for (int i = 0; i < rowBytes; i++) {
                made[y * rowBytes + i] = clip(sums[i]);
            }
        }
        return made;
    }

    /** The weighted sum of the rows that make the new row {@code y}. */
    private static void sumRows(byte[] rows, int y, Resampling how, int[] sums) {
        Arrays.fill(sums, 1 << (Resampling.BITS - 1));
        int at = how.first[y] * sums.length;
        for (int k = 0; k < how.count[y]; k++) {
            int weight = how.weights[y * how.stride + k];
            for (int i = 0; i < sums.length; i++) {
                sums[i] += (rows[at++] & 0xff) * weight;
            }
        }
    }

    private static byte clip(int sum) {
        int value = sum >> Resampling.BITS;
        return (byte) (value < 0 ? 0 : value > 255 ? 255 : value);
    }

    /** Grey in place, with the weights of BT.601 that Pillow's "L" has. */
    private static void toChannels(byte[] rgb, int pixels, int channels) {
        if (channels == 3) {
            return;
        }
        for (int i = 0; i < pixels; i++) {
            int red = rgb[3 * i] & 0xff;
            int green = rgb[3 * i + 1] & 0xff;
            int blue = rgb[3 * i + 2] & 0xff;
            rgb[i] = (byte) ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16);
        }
    }
}
