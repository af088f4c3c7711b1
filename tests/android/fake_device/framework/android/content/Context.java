package android.content;

import java.io.File;

/** Stands in for Android's: the folders of one app. */
public class Context {
    private final File data;
    private final File external;
    private final File media;

    public Context(File data, File external, File media) {
        this.data = data;
        this.external = external;
        this.media = media;
    }

    public File getCacheDir() {
        return made(new File(data, "cache"));
    }

    public File getCodeCacheDir() {
        return made(new File(data, "code_cache"));
    }

    public File getFilesDir() {
        return made(new File(data, "files"));
    }

    public File getExternalFilesDir(String type) {
        return made(type == null ? external : new File(external, type));
    }

    public File[] getExternalMediaDirs() {
        return new File[] {made(media)};
    }

    public void startActivity(Intent intent) {
        throw new IllegalStateException("there is no screen");
    }

    private static File made(File folder) {
        folder.mkdirs();
        return folder;
    }
}
