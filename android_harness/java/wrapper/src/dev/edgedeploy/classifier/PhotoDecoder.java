package dev.edgedeploy.classifier;

/** From the bytes of a JPEG or PNG file to its pixels as they are stored, not turned. */
interface PhotoDecoder {
    /** Throws {@code ClassifierException} for bytes that are no photo. */
    PixelSource decode(byte[] file);
}
