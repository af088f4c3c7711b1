package dev.edgedeploy.classifier;

/**
 * How a classifier is opened: {@code Options.defaults().threads(2).delegate(Delegate.NONE)}.
 *
 * <p>Values do not change: each method gives another one.
 */
public final class Options {
    private static final int MOST_THREADS = 64;
    private final int threads;
    private final Delegate delegate;
    private final String assetFolder;
    private final int topK;

    private Options(int threads, Delegate delegate, String assetFolder, int topK) {
        this.threads = threads;
        this.delegate = delegate;
        this.assetFolder = assetFolder;
        this.topK = topK;
    }

    /** As many threads as there are cores, but at most four; XNNPACK; the five best classes. */
    public static Options defaults() {
        int cores = Runtime.getRuntime().availableProcessors();
        int threads = Math.max(1, Math.min(4, cores));
        return new Options(threads, Delegate.XNNPACK, "edge-deploy/" + ModelName.get(), 5);
    }

    /** CPU threads of one inference, 1 to 64. */
    public Options threads(int count) {
        if (count < 1 || count > MOST_THREADS) {
            throw new ClassifierException(
                    "the number of threads is " + count + "; give 1 to " + MOST_THREADS);
        }
        return new Options(count, delegate, assetFolder, topK);
    }

    /** What to compute with; one that is not to be had is an error when the model is opened. */
    public Options delegate(Delegate wanted) {
        if (wanted == null) {
            throw new ClassifierException("the delegate is null; give Delegate.XNNPACK or another");
        }
        return new Options(threads, wanted, assetFolder, topK);
    }

    /** The folder below {@code assets/} that holds {@code contract.json}. */
    public Options assetFolder(String folder) {
        if (folder == null || folder.isEmpty()) {
            throw new ClassifierException(
                    "the asset folder has no name; give the one that holds contract.json");
        }
        String plain = folder.endsWith("/") ? folder.substring(0, folder.length() - 1) : folder;
        return new Options(threads, delegate, plain, topK);
    }

    /** How many classes an answer names, at least 1. */
    public Options topK(int count) {
        if (count < 1) {
            throw new ClassifierException("topK is " + count + "; give 1 or more");
        }
        return new Options(threads, delegate, assetFolder, count);
    }

    public int threads() {
        return threads;
    }

    public Delegate delegate() {
        return delegate;
    }

    public String assetFolder() {
        return assetFolder;
    }

    public int topK() {
        return topK;
    }
}
