package android.app;

import android.content.Context;
import java.io.File;

/** Stands in for Android's; none is ever shown. */
public class Activity extends Context {
    public Activity() {
        super(new File("/nowhere"), new File("/nowhere"), new File("/nowhere"));
    }

    protected void onResume() {}

    protected void onPause() {}
}
