package dev.edgedeploy.harness;

import java.nio.ByteBuffer;

/** The functions of the JNI shim over the LiteRT C API; see jni/litert_native.c. */
final class LiteRtNative {
    private LiteRtNative() {
    }

    /** Loads the library, which stays loaded; UnsatisfiedLinkError where it is of no use. */
    static native void load(byte[] library);

    /** A handle; the paths are UTF-8 and end with a zero byte. */
    static native long open(byte[] library, byte[] model, int threads, boolean xnnpack);

    static native int count(long handle, boolean output);

    /** The number of the element type, then the size of each axis. */
    static native int[] type(long handle, boolean output, int index);

    static native ByteBuffer memory(long handle, boolean output, int index);

    /** Whether a delegate took every operator. */
    static native boolean delegated(long handle);

    static native void run(long handle);

    static native void close(long handle);
}
