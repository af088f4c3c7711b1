package dev.edgedeploy.harness.app;

import android.app.Activity;
import android.content.Context;
import android.content.Intent;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A screen that shows nothing: an app in front has cores that others may not have.
 *
 * <p>It does not wake or unlock the phone; whether it came to the front, and stayed, is told.
 */
public final class HarnessActivity extends Activity {
    private static final long PATIENCE_S = 5;
    private static final CountDownLatch RESUMED = new CountDownLatch(1);
    private static volatile boolean paused;

    /** Starts it and waits for it a moment. */
    static void start(Context context) {
        Intent intent = new Intent(context, HarnessActivity.class);
        intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        try {
            context.startActivity(intent);
            RESUMED.await(PATIENCE_S, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException error) {
            System.err.println("the harness could not come to the front: " + error.getMessage());
        }
    }

    /** Whether it has been in front from its start until now. */
    static boolean wasInFront() {
        return RESUMED.getCount() == 0 && !paused;
    }

    @Override
    protected void onResume() {
        super.onResume();
        RESUMED.countDown();
    }

    @Override
    protected void onPause() {
        paused = true;
        super.onPause();
    }
}
