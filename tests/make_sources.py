"""Write one small model in every source format that `convert` reads, and some that it refuses.

Run as a program: `python make_sources.py FOLDER`. It needs TensorFlow, so tests start it as a
child once (the fixture `sources`). All models are the sample digits network or tiny ones.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def main(folder: Path) -> None:
    import h5py
    import keras
    import numpy as np
    import tensorflow as tf
    import tf_keras
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    keras.utils.set_random_seed(7)
    tf.random.set_seed(7)
    digits = keras.models.load_model(ASSETS / "digits_mobilenet_v2.keras", compile=False)

    # Keras 3
    shutil.copy(ASSETS / "digits_mobilenet_v2.keras", folder / "digits.keras")
    digits.save(folder / "keras3.h5")
    digits.export(folder / "keras3_export", verbose=False)

    # tf_keras, with and without the key that Keras 3 refuses
    small = tf_keras.Sequential(
        [
            tf_keras.layers.Input((16, 16, 3)),
            tf_keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            tf_keras.layers.DepthwiseConv2D(3, padding="same"),
            tf_keras.layers.BatchNormalization(),
            tf_keras.layers.GlobalAveragePooling2D(),
            tf_keras.layers.Dense(4, activation="softmax"),
        ]
    )
    small.save(folder / "legacy.h5")
    small.save(folder / "legacy_saved_model")
    shutil.copy(folder / "legacy.h5", folder / "legacy_groups.h5")
    with h5py.File(folder / "legacy_groups.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config).encode()
    with (
        h5py.File(folder / "keras3_groups.h5", "w") as target,
        h5py.File(folder / "keras3.h5", "r") as original,
    ):
        for name in original:
            original.copy(name, target)
        for name, value in original.attrs.items():
            target.attrs[name] = value
        config = json.loads(target.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        target.attrs["model_config"] = json.dumps(config)
    small.save_weights(folder / "weights_only.h5")

    # Plain TensorFlow
    class Plain(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.random.normal((3, 3, 3, 8), stddev=0.3))
            self.dense = tf.Variable(tf.random.normal((8, 4)))

        @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.float32, name="img")])
        def __call__(self, img):
            hidden = tf.nn.relu(tf.nn.conv2d(img, self.kernel, 2, "SAME"))
            return {"p": tf.nn.softmax(tf.reduce_mean(hidden, [1, 2]) @ self.dense)}

    plain = Plain()
    tf.saved_model.save(plain, str(folder / "plain_saved_model"), signatures=plain.__call__)
    tf.saved_model.save(plain, str(folder / "no_signature"), signatures=None)
    (folder / "damaged_saved_model").mkdir()
    (folder / "damaged_saved_model" / "saved_model.pb").write_bytes(b"\x00\x01nonsense" * 40)

    concrete = tf.function(lambda x: digits(x, training=False)).get_concrete_function(
        tf.TensorSpec((None, *digits.input_shape[1:]), tf.float32, name="x")
    )
    frozen = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    (folder / "frozen.pb").write_bytes(frozen.SerializeToString())

    # What photos cannot fill, and what is refused
    first, second = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="extra")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(first), second])
    keras.Model([first, second], keras.layers.Dense(3, activation="softmax")(joined)).save(
        folder / "two_inputs.keras"
    )
    keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)]
    ).save(folder / "rank2.keras")
    image = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    keras.Model(image, keras.layers.Dense(3)(pooled)).save(folder / "open_size.keras")
    code = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Lambda(lambda x: x * 2.0),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    code.save(folder / "lambda.keras")
    code.save(folder / "lambda.h5")
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]).save(
        folder / "not_a_number.keras"
    )
    broken = keras.models.load_model(folder / "not_a_number.keras")
    broken.layers[-1].kernel.assign(np.full((192, 3), np.nan, np.float32))
    broken.save(folder / "not_a_number.keras")
    # One hidden tensor holds values of a hundred and of a hundredth: no 8 bits can. (Further apart,
    # and XNNPACK refuses the model instead of running it.)
    scales = np.array([1e2, 1e2, 1e-2, 1e-2], np.float32)
    two_scales = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, activation="relu", use_bias=False),
            keras.layers.Dense(4, use_bias=False),
        ]
    )
    two_scales.layers[0].kernel.assign(np.diag(scales))
    two_scales.layers[1].kernel.assign(np.diag(1 / scales))
    two_scales.save(folder / "two_scales.keras")

    class Flex(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4, 4), tf.float32, name="m")])
        def __call__(self, m):
            return {"d": tf.linalg.det(m)}

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32, name="v")])
        def __call__(self, v):
            tf.io.write_file(str(folder / "canary"), "written by a model")
            return {"d": v * 2.0}

    writer = Writer()
    tf.saved_model.save(writer, str(folder / "writes_saved_model"), signatures=writer.__call__)
    graph = writer.__call__.get_concrete_function().graph.as_graph_def()
    (folder / "writes.pb").write_bytes(graph.SerializeToString())

    needs_flex = Flex()
    tf.saved_model.save(needs_flex, str(folder / "needs_flex"), signatures=needs_flex.__call__)
    (folder / "model.pkl").write_bytes(pickle.dumps(small.get_config()))
    (folder / "done").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
