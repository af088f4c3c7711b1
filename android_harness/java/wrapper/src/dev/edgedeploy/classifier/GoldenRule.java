package dev.edgedeploy.classifier;

import java.util.Arrays;
import java.util.Locale;

/**
 * How near a tensor must come to its golden one, as {@code golden.json} says it.
 *
 * <p>"identical"; "codes", apart by "at_most" in units of "unit" or, where it has a "cosine",
 * farther apart and in agreement; "relative", by "at_most" of the golden's largest magnitude;
 * "agreement", a cosine and with "top1" the same best class. NaN never passes.
 */
final class GoldenRule {
    private static final double FLOAT_ROUNDING = 1e-3; // of real values that stand for codes

    private GoldenRule() {}

    static Check compare(
            String title, TensorSpec spec, byte[] found, NpyArray golden, JsonFields rule) {
        String kind = rule.choice("kind", "identical", "codes", "relative", "agreement");
        if (!spec.sameKind(golden.spec.shape(), golden.spec.dtype)) {
            return new Check(title, spec.toString(), golden.spec.toString(), false);
        }
        double[] a = NpyArray.values(spec, found);
        double[] b = NpyArray.values(spec, golden.bytes);
        if (kind.equals("identical")) {
            int differ = differing(found, golden.bytes, spec.width());
            return new Check(
                    title, differ + " of " + a.length + " differ", "0 differ", differ == 0);
        }
        for (double value : a) {
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                return new Check(title, "NaN or infinite", "finite values", false);
            }
        }
        if (kind.equals("agreement")) {
            return agreement(title, a, b, rule);
        }
        double limit = rule.number("at_most");
        double apart = farthest(a, b);
        if (kind.equals("relative")) {
            double scale = largest(b);
            scale = scale == 0 ? 1 : scale;
            return new Check(title, words(apart / scale), words(limit), apart <= limit * scale);
        }
        double codes = apart / rule.number("unit");
        if (codes <= limit + FLOAT_ROUNDING || !rule.has("cosine")) {
            return new Check(
                    title, words(codes), words(limit), codes <= limit + FLOAT_ROUNDING);
        }
        Check alike = agreement(title, a, b, rule);
        return new Check(title, words(codes) + ", " + alike.found(),
                words(limit) + ", or " + alike.allowed(), alike.passed());
    }

    private static Check agreement(String title, double[] a, double[] b, JsonFields rule) {
        double wanted = rule.number("cosine");
        double product = 0;
        double squareA = 0;
        double squareB = 0;
        for (int i = 0; i < a.length; i++) {
            product += a[i] * b[i];
            squareA += a[i] * a[i];
            squareB += b[i] * b[i];
        }
        double norms = Math.sqrt(squareA) * Math.sqrt(squareB);
        double cosine = norms != 0 ? product / norms : Arrays.equals(a, b) ? 1 : 0;
        boolean passed = cosine >= wanted;
        String found = String.format(Locale.ROOT, "cosine %.6f", cosine);
        String allowed = "cosine " + wanted;
        if (rule.flag("top1")) {
            boolean same = best(a) == best(b);
            found += ", top-1 " + (same ? "the same" : "another");
            allowed += ", top-1 the same";
            passed &= same;
        }
        return new Check(title, found, allowed, passed);
    }

    private static int differing(byte[] a, byte[] b, int width) {
        int differ = 0;
        for (int i = 0; i < a.length; i += width) {
            boolean same = true;
            for (int k = 0; k < width; k++) {
                same &= a[i + k] == b[i + k];
            }
            differ += same ? 0 : 1;
        }
        return differ;
    }

    private static double farthest(double[] a, double[] b) {
        double apart = 0;
        for (int i = 0; i < a.length; i++) {
            apart = Math.max(apart, Math.abs(a[i] - b[i]));
        }
        return apart;
    }

    private static double largest(double[] values) {
        return farthest(values, new double[values.length]);
    }

    private static int best(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    private static String words(double apart) {
        return String.format(Locale.ROOT, "%.3g apart", apart);
    }
}
