package dev.edgedeploy.classifier;

/** What the classifier cannot do, as one sentence: what failed, on what, what to do next. */
public final class ClassifierException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ClassifierException(String message) {
        super(message);
    }

    public ClassifierException(String message, Throwable cause) {
        super(message, cause);
    }
}
