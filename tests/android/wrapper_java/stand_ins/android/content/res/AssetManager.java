package android.content.res;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Stands in for Android's, over an APK: only what is stored there has a descriptor. */
public final class AssetManager {
    private final File apk;

    public AssetManager(File apk) {
        this.apk = apk;
    }

    public InputStream open(String name) throws IOException {
        try (ZipFile zip = new ZipFile(apk)) {
            ZipEntry entry = entry(zip, name);
            byte[] bytes = new byte[(int) entry.getSize()];
            new DataInputStream(zip.getInputStream(entry)).readFully(bytes);
            return new ByteArrayInputStream(bytes);
        }
    }

    public AssetFileDescriptor openFd(String name) throws IOException {
        try (ZipFile zip = new ZipFile(apk)) {
            ZipEntry entry = entry(zip, name);
            if (entry.getMethod() != ZipEntry.STORED) {
                throw new FileNotFoundException("it is probably compressed");
            }
            long start = offsetOf(entry.getName());
            return new AssetFileDescriptor(new RandomAccessFile(apk, "r"), start, entry.getSize());
        }
    }

    private static ZipEntry entry(ZipFile zip, String name) throws FileNotFoundException {
        ZipEntry entry = zip.getEntry("assets/" + name);
        if (entry == null) {
            throw new FileNotFoundException(name);
        }
        return entry;
    }

    /** Behind the local header: 30 bytes, the name and the extra field. */
    private long offsetOf(String name) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(apk, "r")) {
            byte[] all = new byte[(int) file.length()];
            file.readFully(all);
            String text = new String(all, StandardCharsets.ISO_8859_1);
            int at = text.indexOf(name) - 30;
            int extra = all[at + 28] & 0xff | (all[at + 29] & 0xff) << 8;
            return at + 30 + name.length() + extra;
        }
    }
}
