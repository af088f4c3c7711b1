package dev.edgedeploy.harness;

import java.io.File;

/** A runtime whose native library is loaded. */
public interface ModelRuntime {
    /** The runtime's name, as the host writes it down. */
    String name();

    /** Its version, "unknown" where it does not say. */
    String version();

    /**
     * Loads a model, ready to run; `name` is what sentences call it.
     *
     * @param delegate one of {@link RunSpec#DELEGATES}
     */
    LoadedModel load(File model, String name, int threads, String delegate) throws Refusal;
}
