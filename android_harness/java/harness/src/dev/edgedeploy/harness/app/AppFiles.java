package dev.edgedeploy.harness.app;

import android.content.Context;
import android.os.Build;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** Files as an app may use them: what it runs lies in its own folder, what adb pulls is shared. */
final class AppFiles {
    private static final int BLOCK_BYTES = 1 << 16;

    private final File libraries;
    private final File requests;
    private final File shared;

    /** Empties the folders of what an earlier run left in them. */
    AppFiles(Context context) throws IOException {
        File external = external(context);
        if (external == null) {
            throw new IOException("the phone's shared storage is not there, so that an app has "
                    + "nowhere to leave its answer; unlock the phone, or use --mode shell");
        }
        libraries = emptied(new File(context.getCodeCacheDir(), "libraries"));
        requests = emptied(new File(context.getCacheDir(), "requests"));
        shared = emptied(new File(external, "answers"));
    }

    /** From Android 11 the shell may not look into an app's Android/data on every phone. */
    @SuppressWarnings("deprecation") // for photos and music there is another way, not for this
    private static File external(Context context) {
        if (Build.VERSION.SDK_INT >= 30) {
            File[] media = context.getExternalMediaDirs();
            if (media.length > 0 && media[0] != null) {
                return media[0];
            }
        }
        return context.getExternalFilesDir(null);
    }

    /** A file that adb can pull, of the same name as a path. */
    File shared(String path) {
        return new File(shared, new File(path).getName());
    }

    /** Copies a library that was pushed; what lies where adb pushes to, an app may not run. */
    File library(String pushed) throws IOException {
        File target = new File(libraries, new File(pushed).getName());
        try (InputStream input = new FileInputStream(pushed);
                OutputStream output = new FileOutputStream(target)) {
            byte[] block = new byte[BLOCK_BYTES];
            for (int count = input.read(block); count >= 0; count = input.read(block)) {
                output.write(block, 0, count);
            }
        }
        // Newer Android loads code from read-only files alone.
        if (!target.setReadOnly()) {
            throw new IOException(target + " cannot be made read-only");
        }
        return target;
    }

    /** Writes the request that the harness is to read. */
    File request(String text) throws IOException {
        File target = new File(requests, "request.json");
        try (OutputStream output = new FileOutputStream(target)) {
            output.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return target;
    }

    private static File emptied(File folder) throws IOException {
        File[] old = folder.listFiles();
        if (old == null && !folder.mkdirs()) {
            throw new IOException(folder + " cannot be made; is the phone's storage full?");
        }
        for (File file : old == null ? new File[0] : old) {
            if (!file.delete()) {
                throw new IOException(file + " cannot be removed; uninstall the harness");
            }
        }
        return folder;
    }
}
