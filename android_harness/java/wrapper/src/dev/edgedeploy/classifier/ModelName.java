package dev.edgedeploy.classifier;

/** The name of the folder below {@code assets/edge-deploy/}; a bundle writes its own into it. */
final class ModelName {
    private ModelName() {}

    /** A method and not a constant, which javac would copy into every class that reads it. */
    static String get() {
        return "edge_deploy_model_name";
    }
}
