package android.graphics;

/** Stands in for Android's, which needs its native library. */
public final class ColorSpace {
    private final boolean srgb;

    public ColorSpace(boolean srgb) {
        this.srgb = srgb;
    }

    public boolean isSrgb() {
        return srgb;
    }
}
