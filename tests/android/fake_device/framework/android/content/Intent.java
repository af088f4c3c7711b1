package android.content;

/** Stands in for Android's. */
public class Intent {
    public Intent(Context context, Class<?> type) {}

    public Intent addFlags(int flags) {
        return this;
    }
}
