package dev.edgedeploy.classifier;

/**
 * Which pixels, with which weights, make one pixel of a resized row or column.
 *
 * <p>The filter is stretched by the reduction, so that every pixel counts (antialiasing). Weights
 * are fixed-point numbers of 22 bits and sums are rounded to 8 bits, as Pillow does, so that the
 * result is the same to the byte.
 */
final class Resampling {
    static final int BITS = 22;

    /** For each new pixel, the first old one and how many. */
    final int[] first;
    final int[] count;
    /** {@code stride} weights for each new pixel. */
    final int[] weights;
    final int stride;

    private Resampling(int[] first, int[] count, int[] weights, int stride) {
        this.first = first;
        this.count = count;
        this.weights = weights;
        this.stride = stride;
    }

    static Resampling of(String method, int from, int to) {
        double scale = (double) from / to;
        double stretch = Math.max(scale, 1.0);
        double reach = support(method) * stretch;
        int stride = (int) Math.ceil(reach) * 2 + 1;
        int[] first = new int[to];
        int[] count = new int[to];
        int[] weights = new int[to * stride];
        double[] exact = new double[stride];
        for (int i = 0; i < to; i++) {
            double center = (i + 0.5) * scale;
            int start = Math.max(0, (int) (center - reach + 0.5));
            int end = Math.min(from, (int) (center + reach + 0.5));
            double sum = 0;
            for (int k = 0; k < end - start; k++) {
                exact[k] = weight(method, (k + start - center + 0.5) * (1.0 / stretch));
                sum += exact[k];
            }
            first[i] = start;
            count[i] = end - start;
            for (int k = 0; k < end - start; k++) {
                double share = sum != 0 ? exact[k] / sum : exact[k];
                double scaled = share * (1 << BITS);
                weights[i * stride + k] = (int) (share < 0 ? scaled - 0.5 : scaled + 0.5);
            }
        }
        return new Resampling(first, count, weights, stride);
    }

    /** For "nearest": the old pixel for each new one. */
    static int[] nearest(int from, int to) {
        double step = (double) from / to;
        int[] picked = new int[to];
        // Summed and not multiplied: where the sum of steps rounds otherwise, Pillow's does too.
        double at = step * 0.5;
        for (int i = 0; i < to; i++, at += step) {
            picked[i] = Math.min((int) at, from - 1);
        }
        return picked;
    }

    private static double support(String method) {
        switch (method) {
            case "box":
                return 0.5;
            case "bilinear":
                return 1.0;
            case "bicubic":
                return 2.0;
            case "lanczos":
                return 3.0;
            default:
                throw new ClassifierException("unknown resize method \"" + method + "\"");
        }
    }

    private static double weight(String method, double x) {
        double d = Math.abs(x);
        switch (method) {
            case "box":
                return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
            case "bilinear":
                return d < 1 ? 1 - d : 0;
            case "bicubic": // with a = -0.5
                if (d < 1) {
                    return (1.5 * d - 2.5) * d * d + 1;
                }
                return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
            default:
                return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
        }
    }

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
    }
}
