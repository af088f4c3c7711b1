"""The shortest script that does by hand what one `convert` of one recipe does, without proofs:
TensorFlow's converter, then litert-quantizer with min-max calibration. `make bench` compares.

Usage: bare_convert.py SOURCE.keras CALIBRATION.npz OUT.tflite RECIPE MEAN STD
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf
from litert_quantizer import calibrator, quantizer, recipe, recipe_manager
from litert_quantizer.utils import qsv_utils
from PIL import Image

source, data, out, name, mean, std = sys.argv[1:7]
model = keras.models.load_model(source, compile=False)
height, width, channels = model.input_shape[1:]
module = tf.Module()
module.kept = [variable.value for variable in model.variables]
module.call = tf.function(
    lambda x: {"output": model(x, training=False)},
    input_signature=[tf.TensorSpec((1, height, width, channels), tf.float32, name="x")],
)
converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [module.call.get_concrete_function()], module
)
float_model = converter.convert()
recipes = {
    "int8": recipe.static_wi8_ai8,
    "int16x8": recipe.static_wi8_ai16,
    "dynamic": recipe.dynamic_wi8_afp32,
    "weight-int8": recipe.weight_only_wi8_afp32,
}
chosen = recipes.get(name, recipe.static_wi8_ai8)()
with np.load(data) as arrays:
    pixels = arrays["x"]
samples = []
for photo in pixels:
    image = Image.fromarray(photo).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    samples.append({"x": ((np.asarray(image, np.float32) - float(mean)) / float(std))[np.newaxis]})
manager = recipe_manager.RecipeManager()
manager.load_quantization_recipe(chosen)
collector = calibrator.Calibrator(
    float_model, num_threads=2, qsv_update_func=qsv_utils.min_max_update
)
collector.calibrate({"serving_default": samples}, manager)
tool = quantizer.Quantizer(float_model, chosen)
result = tool.quantize(collector.get_model_qsvs(), enable_progress_report=False)
result.export_model(out, overwrite=True)
