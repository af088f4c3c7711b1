package dev.edgedeploy.classifier;

import android.content.res.AssetFileDescriptor;
import android.content.res.AssetManager;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A bundle's files among an app's assets. */
final class AssetModel extends ModelFiles {
    private final AssetManager assets;
    private final String folder;

    AssetModel(AssetManager assets, String folder) {
        this.assets = assets;
        this.folder = folder;
    }

    @Override
    String place() {
        return "assets/" + folder;
    }

    @Override
    InputStream open(String name) throws IOException {
        return assets.open(folder + "/" + name);
    }

    @Override
    ByteBuffer map(String name) {
        try {
            open(name).close(); // tells one that is missing from one that is compressed
            return mapStored(name);
        } catch (FileNotFoundException error) {
            throw missing(name, error);
        } catch (IOException error) {
            throw new ClassifierException(
                    "the model " + name + " in " + place() + " cannot be mapped into memory ("
                            + error.getMessage() + "); build the app again", error);
        }
    }

    private ByteBuffer mapStored(String name) throws IOException {
        AssetFileDescriptor file;
        try {
            file = assets.openFd(folder + "/" + name);
        } catch (FileNotFoundException error) {
            // The asset is there, for it was opened: then it has no place of its own in the APK.
            throw new ClassifierException(
                    "the model " + name + " in " + place() + " is compressed in the app and cannot "
                            + "be mapped into memory; add androidResources { noCompress += "
                            + "\"tflite\" } to the app's build.gradle.kts", error);
        }
        try (FileInputStream stream = new FileInputStream(file.getFileDescriptor())) {
            return stream.getChannel().map(
                    FileChannel.MapMode.READ_ONLY, file.getStartOffset(), file.getDeclaredLength());
        } finally {
            file.close();
        }
    }
}
