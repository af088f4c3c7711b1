package android.os;

/** Stands in for Android's, whose version is only known on a phone. */
public final class Build {
    private Build() {}

    /** Android 14, unless the property "android.api" says otherwise. */
    public static final class VERSION {
        public static final int SDK_INT = Integer.getInteger("android.api", 34);

        private VERSION() {}
    }
}
