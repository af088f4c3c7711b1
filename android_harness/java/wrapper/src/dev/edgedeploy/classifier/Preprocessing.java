package dev.edgedeploy.classifier;

/** What happens to a photo before the model sees it: x = (pixel - mean) / std. */
final class Preprocessing {
    final double[] mean;
    final double[] std;
    final String colorOrder;
    final String resize;
    final boolean centerCrop;
    final double cropFraction;
    final boolean exifTranspose;
    final boolean channelsFirst;
    final boolean backgroundClass;

    private Preprocessing(JsonFields fields) {
        colorOrder = fields.choice("color_order", "RGB", "BGR", "GRAY");
        resize = fields.choice("resize", "nearest", "bilinear", "bicubic", "lanczos", "box");
        centerCrop = fields.choice("crop", "center", "none").equals("center");
        channelsFirst = fields.choice("layout", "NHWC", "NCHW").equals("NCHW");
        cropFraction = fields.number("crop_fraction");
        exifTranspose = fields.flag("exif_transpose");
        backgroundClass = fields.flag("background_class");
        mean = perChannel(fields, "mean");
        std = perChannel(fields, "std");
        for (double value : std) {
            if (value <= 0) {
                throw new ClassifierException("preprocessing: std must be greater than 0");
            }
        }
        if (!(cropFraction > 0 && cropFraction <= 1)) {
            throw new ClassifierException("preprocessing: crop_fraction must lie in (0, 1]");
        }
    }

    static Preprocessing from(JsonFields fields) {
        return new Preprocessing(fields);
    }

    /** 1 for GRAY, else 3. */
    int channels() {
        return colorOrder.equals("GRAY") ? 1 : 3;
    }

    private double[] perChannel(JsonFields fields, String key) {
        double[] given = fields.numbers(key);
        boolean finite = true;
        for (double value : given) {
            finite &= !Double.isNaN(value) && !Double.isInfinite(value);
        }
        if (!finite || given.length != 1 && given.length != channels()) {
            throw new ClassifierException(
                    "preprocessing: " + key + " needs 1 or " + channels() + " finite numbers");
        }
        double[] all = new double[channels()];
        for (int i = 0; i < all.length; i++) {
            all[i] = given[given.length == 1 ? 0 : i];
        }
        return all;
    }
}
