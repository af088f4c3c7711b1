"""The shortest script that does by hand what one `convert` of one recipe does, without proofs:
TensorFlow's converter, then litert-quantizer with min-max calibration. `make bench` compares.

It does no work that its recipe does not need: float32 is the converter alone, and only recipes
with integer activations are calibrated, by the quantizer's faster method.

Usage: bare_convert.py SOURCE.keras CALIBRATION.npz OUT.tflite RECIPE MEAN STD
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from litert_quantizer import calibrator, quantizer, recipe
from litert_quantizer.recipe_manager import RecipeManager
from litert_quantizer.utils.qsv_utils import min_max_update
from PIL import Image

source, data, out, name, mean, std = sys.argv[1:7]
model = keras.models.load_model(source, compile=False)
_, height, width, channels = model.input_shape
module = tf.Module()
module.kept = [variable.value for variable in model.variables]
module.call = tf.function(
    lambda x: {"output": model(x, training=False)},
    input_signature=[tf.TensorSpec((1, height, width, channels), tf.float32, name="x")],
)
function = module.call.get_concrete_function()
float_model = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
if name == "float32":
    Path(out).write_bytes(float_model)
    sys.exit()
recipes = {
    "int16x8": recipe.static_wi8_ai16,
    "dynamic": recipe.dynamic_wi8_afp32,
    "float16": recipe.weight_only_wi8_afp32,  # the nearest that it has
    "weight-int8": recipe.weight_only_wi8_afp32,
}
chosen = recipes.get(name, recipe.static_wi8_ai8)()
manager = RecipeManager()
manager.load_quantization_recipe(chosen)
ranges = None
if manager.need_calibration():
    samples = []
    for photo in np.load(data)["x"]:
        image = Image.fromarray(photo).convert("RGB").resize((width, height), Image.BILINEAR)
        samples.append({"x": ((np.float32(image) - float(mean)) / float(std))[np.newaxis]})
    collector = calibrator.Calibrator(
        float_model,
        num_threads=2,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
        qsv_update_func=min_max_update,
    )
    collector.calibrate({"serving_default": samples}, manager)
    ranges = collector.get_model_qsvs()
result = quantizer.Quantizer(float_model, chosen).quantize(ranges, enable_progress_report=False)
result.export_model(out, overwrite=True)
