package dev.edgedeploy.harness;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Short files of /proc and /sys, under a root that tests may set; what is not there is null. One
 * thread at a time may read.
 */
final class SystemFiles {
    private static final int MOST_BYTES = 1 << 16;

    private final File root;
    // One for all files: what is thrown away would show in the peak memory, and wake the collector.
    private final byte[] block = new byte[MOST_BYTES];

    SystemFiles(File root) {
        this.root = root;
    }

    /** The text of a file, without the space around it. */
    String text(String path) {
        try (FileInputStream stream = new FileInputStream(new File(root, path))) {
            int size = 0;
            for (int count = 0; count >= 0 && size < MOST_BYTES;) {
                count = stream.read(block, size, MOST_BYTES - size);
                size += Math.max(0, count);
            }
            return new String(block, 0, size, StandardCharsets.UTF_8).trim();
        } catch (IOException error) {
            return null;
        }
    }

    /** The whole number in a file. */
    Long number(String path) {
        String text = text(path);
        return text != null && text.matches("-?\\d{1,18}") ? Long.valueOf(text) : null;
    }

    /** The names in a folder that begin so, sorted. */
    String[] names(String folder, String pattern) {
        String[] found = new File(root, folder).list((parent, name) -> name.matches(pattern));
        if (found == null) {
            return new String[0];
        }
        Arrays.sort(found);
        return found;
    }
}
