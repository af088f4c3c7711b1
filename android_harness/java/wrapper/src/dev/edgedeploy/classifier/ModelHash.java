package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Whether a model is the one that its contract describes. */
final class ModelHash {
    private ModelHash() {}

    /**
     * Throws unless size and sha256 are right. Most flipped bits in a model run without any error
     * and give wrong answers; only the hash tells.
     */
    static void check(ByteBuffer model, ModelContract contract, String place) {
        boolean same = model.remaining() == contract.sizeBytes
                && sha256(model).equalsIgnoreCase(contract.sha256);
        if (!same) {
            throw new ClassifierException(
                    "the model " + contract.modelFile + " in " + place + " is not the one that "
                            + "contract.json describes (another sha256): it was damaged or "
                            + "replaced; copy the bundle's files again");
        }
    }

    static String sha256(ByteBuffer bytes) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(bytes.duplicate());
            StringBuilder hex = new StringBuilder();
            for (byte value : digest.digest()) {
                hex.append(Character.forDigit(value >> 4 & 15, 16));
                hex.append(Character.forDigit(value & 15, 16));
            }
            return hex.toString();
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Android and every JVM has it
        }
    }
}
