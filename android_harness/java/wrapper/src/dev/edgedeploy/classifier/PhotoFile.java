package dev.edgedeploy.classifier;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The bytes of a photo's file: read from a stream, and checked to be whole. */
final class PhotoFile {
    static final byte[] JPEG = {(byte) 0xff, (byte) 0xd8, (byte) 0xff};
    static final byte[] PNG = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    private static final int LARGEST_BYTES = 256 << 20;

    private PhotoFile() {}

    /** All bytes of a stream, which stays open. */
    static byte[] read(InputStream stream) {
        try {
            return bytes(stream);
        } catch (OutOfMemoryError error) {
            throw new ClassifierException(
                    "the photo's stream needs more memory than there is; give a smaller file",
                    error);
        }
    }

    private static byte[] bytes(InputStream stream) {
        if (stream == null) {
            throw new ClassifierException("the photo's stream is null; give a JPEG or PNG");
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 16);
        byte[] part = new byte[1 << 16];
        try {
            for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
                bytes.write(part, 0, count);
                if (bytes.size() > LARGEST_BYTES) {
                    throw new ClassifierException(
                            "the photo's stream has more than 256 MB; give a JPEG or PNG");
                }
            }
        } catch (IOException error) {
            throw new ClassifierException(
                    "the photo's stream cannot be read: " + error.getMessage(), error);
        }
        return bytes.toByteArray();
    }

    /**
     * Throws for a file that is empty or ends too early, which Android's decoder would fill up
     * with grey without a word. Formats other than JPEG, PNG and WebP are left to the decoder.
     */
    static void checkWhole(byte[] file) {
        if (file.length == 0) {
            throw new ClassifierException("the photo's stream is empty; give a JPEG or PNG");
        }
        boolean whole = true;
        if (startsWith(file, 0, JPEG)) {
            whole = jpegEnds(file);
        } else if (startsWith(file, 0, PNG)) {
            whole = pngEnds(file);
        } else if (isWebp(file)) {
            long size = ByteBuffer.wrap(file, 4, 4).order(ByteOrder.LITTLE_ENDIAN).getInt();
            whole = (size & 0xffffffffL) + 8 <= file.length;
        }
        if (!whole) {
            throw new ClassifierException(
                    "the photo ends too early, at " + file.length
                            + " bytes; copy it again or give another");
        }
    }

    /** Segment by segment to the end marker; thumbnails lie inside segments. */
    private static boolean jpegEnds(byte[] file) {
        int at = 2;
        while (at + 2 <= file.length) {
            int marker = file[at + 1] & 0xff;
            if (file[at] != (byte) 0xff || marker == 0x00 || marker >= 0xd0 && marker <= 0xd7) {
                at++; // coded data, with its stuffed bytes and restart markers
            } else if (marker == 0xff) {
                at++;
            } else if (marker == 0xd9) {
                return true;
            } else {
                if (at + 4 > file.length) {
                    return false;
                }
                at += 2 + bigEndian(file, at + 2, 2);
            }
        }
        return false;
    }

    private static boolean pngEnds(byte[] file) {
        int at = PNG.length;
        while (at + 12 <= file.length) {
            int length = bigEndian(file, at, 4);
            if (length < 0 || length > file.length - at - 12) {
                return false;
            }
            if (startsWith(file, at + 4, new byte[] {'I', 'E', 'N', 'D'})) {
                return true;
            }
            at += 12 + length;
        }
        return false;
    }

    static boolean isWebp(byte[] file) {
        return file.length >= 12 && startsWith(file, 0, new byte[] {'R', 'I', 'F', 'F'})
                && startsWith(file, 8, new byte[] {'W', 'E', 'B', 'P'});
    }

    static boolean startsWith(byte[] file, int at, byte[] wanted) {
        if (file.length - at < wanted.length) {
            return false;
        }
        for (int i = 0; i < wanted.length; i++) {
            if (file[at + i] != wanted[i]) {
                return false;
            }
        }
        return true;
    }

    static int bigEndian(byte[] file, int at, int count) {
        int value = 0;
        for (int i = 0; i < count; i++) {
            value = value << 8 | file[at + i] & 0xff;
        }
        return value;
    }
}
