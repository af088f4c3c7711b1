package dev.edgedeploy.classifier;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Where {@code contract.json}, the model and its other files lie. */
abstract class ModelFiles {
    /** How an error calls the place. */
    abstract String place();

    /** A stream of one file; {@code FileNotFoundException} where there is none. */
    abstract InputStream open(String name) throws IOException;

    /** One file mapped into memory, not copied. */
    abstract ByteBuffer map(String name);

    /** The text of a small file in UTF-8. */
    final String text(String name) {
        return new String(bytes(name), StandardCharsets.UTF_8);
    }

    /** All bytes of a small file. */
    final byte[] bytes(String name) {
        try (InputStream stream = open(name)) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            byte[] part = new byte[1 << 14];
            for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
                bytes.write(part, 0, count);
            }
            return bytes.toByteArray();
        } catch (FileNotFoundException error) {
            throw missing(name, error);
        } catch (IOException error) {
            throw new ClassifierException(
                    name + " in " + place() + " cannot be read (" + error.getMessage()
                            + "); build the app again", error);
        }
    }

    /** The error for a file that is not there. */
    final ClassifierException missing(String name, Exception cause) {
        return new ClassifierException(
                "there is no " + name + " in " + place() + "; add the bundle's files there", cause);
    }
}
