package android.content.res;

import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.IOException;
import java.io.RandomAccessFile;

/** Stands in for Android's: an asset that lies uncompressed inside a larger file, the APK. */
public final class AssetFileDescriptor implements Closeable {
    private final RandomAccessFile file;
    private final long offset;
    private final long length;

    AssetFileDescriptor(RandomAccessFile file, long offset, long length) {
        this.file = file;
        this.offset = offset;
        this.length = length;
    }

    public FileDescriptor getFileDescriptor() {
        try {
            return file.getFD();
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    public long getStartOffset() {
        return offset;
    }

    public long getDeclaredLength() {
        return length;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
