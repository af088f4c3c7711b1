"""Full int8 by TensorFlow's own converter, to compare the agreement of ours with.

Usage: bare_tensorflow_int8.py SOURCE.keras CALIBRATION.npz OUT.tflite MEAN STD
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

source, data, out, mean, std = sys.argv[1:6]
model = keras.models.load_model(source, compile=False)
module = tf.Module()
module.kept = [variable.value for variable in model.variables]
module.call = tf.function(
    lambda x: {"output": model(x, training=False)},
    input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="x")],
)
pixels = np.load(data)["x"]
converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [module.call.get_concrete_function()], module
)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: (
    [((np.float32(photo) - float(mean)) / float(std))[np.newaxis]] for photo in pixels
)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
Path(out).write_bytes(converter.convert())
