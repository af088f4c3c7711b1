package dev.edgedeploy.classifier;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A bundle's files in a plain folder, as when an app downloads its model. */
final class FolderFiles extends ModelFiles {
    private final File folder;

    FolderFiles(File folder) {
        this.folder = folder;
    }

    @Override
    String place() {
        return "the folder " + folder;
    }

    @Override
    InputStream open(String name) throws IOException {
        return new FileInputStream(new File(folder, name));
    }

    @Override
    ByteBuffer map(String name) {
        try (FileInputStream stream = new FileInputStream(new File(folder, name))) {
            FileChannel channel = stream.getChannel();
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
        } catch (FileNotFoundException error) {
            throw missing(name, error);
        } catch (IOException | IllegalArgumentException error) {
            throw new ClassifierException(
                    "the model " + name + " in " + place() + " cannot be mapped into memory ("
                            + error.getMessage() + "); copy it again", error);
        }
    }
}
