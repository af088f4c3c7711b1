package org.example.sample;

import android.app.Activity;
import android.graphics.Bitmap;
import android.graphics.Color;
import android.os.Bundle;
import android.widget.TextView;
import org.example.colors.Answer;
import org.example.colors.Classifier;
import org.example.colors.ClassifierException;
import org.example.colors.Delegate;
import org.example.colors.Options;

/** Shows what two models call a red square. */
public final class ColorActivity extends Activity {
    private TextView words;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        words = new TextView(this);
        setContentView(words);
        new Thread(this::classify).start();
    }

    private void classify() {
        Bitmap red = Bitmap.createBitmap(40, 30, Bitmap.Config.ARGB_8888);
        red.eraseColor(Color.RED);
        String text;
        try {
            text = first(red) + "\n" + second(red);
        } catch (ClassifierException | org.example.greys.ClassifierException error) {
            text = error.getMessage();
        }
        String shown = text;
        runOnUiThread(() -> words.setText(shown));
    }

    private String first(Bitmap photo) {
        Options options = Options.defaults().threads(2).delegate(Delegate.XNNPACK);
        try (Classifier classifier = Classifier.fromAssets(this, options)) {
            Answer answer = classifier.classify(photo);
            return answer.best().label() + " " + answer.best().score();
        }
    }

    private String second(Bitmap photo) {
        try (org.example.greys.Classifier classifier =
                org.example.greys.Classifier.fromAssets(this)) {
            return classifier.classify(photo).best().toString();
        }
    }
}
