package android.os;

/** Stands in for Android's: version 14, unless the property "android.api" says otherwise. */
public final class Build {
    private Build() {}

    /** The number of the version. */
    public static final class VERSION {
        public static final int SDK_INT = Integer.getInteger("android.api", 34);

        private VERSION() {}
    }
}
