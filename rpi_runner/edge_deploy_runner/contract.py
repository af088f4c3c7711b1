"""The preprocessing contract: how a photo becomes the model's input tensor.

It travels inside the `.tflite` as JSON (metadata entry `EDGE_DEPLOY_CONTRACT`), beside TFLite's
standard metadata where that can say the same thing truthfully.
"""

# Without `from __future__ import annotations`: a NamedTuple would compile each text again.
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .errors import BadInputError, DamagedModelError, UsageError
from .tflite.flatbuffer import Table
from .tflite.model_file import CONTRACT_ENTRY, STANDARD_ENTRY, ModelFile

RESIZE_METHODS = ("nearest", "bilinear", "bicubic", "lanczos", "box")
CROPS = ("center", "none")
COLOR_ORDERS = ("RGB", "BGR", "GRAY")
LAYOUTS = ("NHWC", "NCHW")
LABELS_FILE = "labels.txt"
_FORMAT_VERSION = 1
_BACKGROUND_NAMES = ("background", "???", "dummy", "unknown", "none", "nothing", "other")


class _PreprocessingFields(NamedTuple):
    mean: tuple[float, ...]
    std: tuple[float, ...]
    color_order: str
    resize: str
    crop: str
    crop_fraction: float
    exif_transpose: bool
    layout: str
    background_class: bool
    source: str


class Preprocessing(_PreprocessingFields):
    """What happens to a photo before the model sees it: x = (pixel - mean) / std.

    `pixel` is 0-255; `mean` and `std` hold one value, or one a channel in `color_order`.
    `crop="center"` takes the largest centred part with the input's aspect ratio, times
    `crop_fraction`; `crop="none"` stretches the whole photo. `resize` goes along rows first, then
    along columns, and rounds to 8 bits after both. `background_class` says that the model's class 0
    means "none of these" and that the label file leaves it out or names it first.
    Raises `BadInputError` for values that make no sense, as `_replace` does.
    """

    __slots__ = ()

    def __new__(
        cls,
        mean: tuple[float, ...] = (127.5,),
        std: tuple[float, ...] = (127.5,),
        color_order: str = "RGB",
        resize: str = "bilinear",
        crop: str = "center",
        crop_fraction: float = 1.0,
        exif_transpose: bool = True,
        layout: str = "NHWC",
        background_class: bool = False,
        source: str = "user",
    ) -> "Preprocessing":
        made = super().__new__(
            cls, mean, std, color_order, resize, crop, crop_fraction, exif_transpose, layout,
            background_class, source,
        )  # fmt: skip
        made._check()
        return made

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> "Preprocessing":  # type: ignore[override]
        return cls(*iterable)  # `_replace` comes here, and is to be checked as well

    def _check(self) -> None:
        for key, choices in (
            ("resize", RESIZE_METHODS),
            ("crop", CROPS),
            ("color_order", COLOR_ORDERS),
            ("layout", LAYOUTS),
        ):
            if getattr(self, key) not in choices:
                raise BadInputError(
                    f"preprocessing: {key} is {getattr(self, key)!r}; use one of "
                    + ", ".join(choices)
                )
        channels = 1 if self.color_order == "GRAY" else 3
        for key in ("mean", "std"):
            values = getattr(self, key)
            if len(values) not in (1, channels) or not all(math.isfinite(v) for v in values):
                raise BadInputError(
                    f"preprocessing: {key} needs 1 or {channels} finite numbers, not {list(values)}"
                )
        if any(value <= 0 for value in self.std):
            raise BadInputError("preprocessing: std must be greater than 0")
        if not 0 < self.crop_fraction <= 1:
            raise BadInputError("preprocessing: crop_fraction must lie in (0, 1]")

    @property
    def channels(self) -> int:
        """Channels of the input tensor: 1 for GRAY, else 3."""
        return 1 if self.color_order == "GRAY" else 3

    def per_channel(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std with one value a channel."""
        mean = self.mean * self.channels if len(self.mean) == 1 else self.mean
        std = self.std * self.channels if len(self.std) == 1 else self.std
        return mean, std

    def input_range(self) -> tuple[float, float]:
        """Smallest and largest value that the input tensor is quantized for.

        Where all channels agree, the range is moved by at most half a step so that pixel values
        0-255 fall on the 256 integer codes one to one: 1/128 and -1 for (x-127)/128.
        """
        mean, std = self.per_channel()
        if len(set(mean)) == len(set(std)) == 1:
            shift = math.floor(mean[0])
            return -shift / std[0], (255 - shift) / std[0]
        low = min((0 - m) / s for m, s in zip(mean, std, strict=True))
        high = max((255 - m) / s for m, s in zip(mean, std, strict=True))
        return low, high

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, in a fixed order."""
        record = self._asdict()
        record["mean"], record["std"] = list(self.mean), list(self.std)
        return record


PRESETS: dict[str, Preprocessing] = {
    "mobilenet": Preprocessing(source="mobilenet"),
    "efficientnet-lite": Preprocessing(
        mean=(127.0,), std=(128.0,), resize="bicubic", source="efficientnet-lite"
    ),
    "imagenet-caffe": Preprocessing(
        mean=(103.939, 116.779, 123.68), std=(1.0,), color_order="BGR", source="imagenet-caffe"
    ),
    "raw-0-255": Preprocessing(mean=(0.0,), std=(1.0,), source="raw-0-255"),
    "0-1": Preprocessing(mean=(0.0,), std=(255.0,), source="0-1"),
}


class Contract(NamedTuple):
    """What travels with a model: its preprocessing and the names of its classes."""

    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The JSON that is stored in the model; the labels themselves lie in `labels.txt`."""
        record = {
            "format": "edge-deploy contract",
            "version": _FORMAT_VERSION,
            "preprocessing": self.preprocessing.to_json() if self.preprocessing else None,
            "labels": {"file": LABELS_FILE, "count": len(self.labels)} if self.labels else None,
        }
        return json.dumps(record, indent=1, ensure_ascii=False)


def preprocessing_from_mapping(values: dict[str, Any], origin: str) -> Preprocessing:
    """A contract from plain values; `preset` names one to start from.

    Raises `BadInputError` for an unknown key, listing the valid ones.
    """
    values = dict(values)
    base = Preprocessing(source=origin)
    if "preset" in values:
        base = preset(str(values.pop("preset")))
    known = Preprocessing._fields
    for key in values:
        if key not in known:
            raise BadInputError(
                f"{origin}: unknown preprocessing key {key!r}; valid keys: "
                + ", ".join(sorted([*known, "preset"]))
            )
    cleaned: dict[str, Any] = {"source": origin}
    for key, value in values.items():
        current = getattr(base, key)
        try:
            if isinstance(current, tuple):
                many = value if isinstance(value, list | tuple) else [value]
                cleaned[key] = tuple(float(item) for item in many)
            elif isinstance(current, bool):
                if not isinstance(value, bool):
                    raise TypeError("true or false expected")
                cleaned[key] = value
            else:
                cleaned[key] = type(current)(value)
        except (TypeError, ValueError) as error:
            raise BadInputError(f"{origin}: {key} is {value!r}: {error}") from error
    return base._replace(**cleaned)


def preset(name: str) -> Preprocessing:
    """The preset `name`; raises `BadInputError` with the list of them."""
    if name not in PRESETS:
        raise BadInputError(
            f"unknown preprocessing preset {name!r}; use one of {', '.join(PRESETS)}, or a file"
        )
    return PRESETS[name]


def read_preprocessing(name_or_file: str) -> Preprocessing:
    """A preset by name, or a `.json` or `.toml` file with the fields of `Preprocessing`.

    Raises `UsageError` for an unknown preset and `BadInputError` for a file that makes no sense.
    """
    path = Path(name_or_file)
    if name_or_file in PRESETS:
        return PRESETS[name_or_file]
    if path.suffix not in (".json", ".toml"):
        raise UsageError(
            f"unknown preprocessing preset {name_or_file!r}; use one of {', '.join(PRESETS)}, or "
            "a .toml or .json file"
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"the preprocessing file {path} cannot be read: {reason}") from error
    try:
        if path.suffix == ".json":
            values = json.loads(text)
        else:
            from .toml import tomllib

            values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the preprocessing file {path} cannot be parsed: {error}") from error
    if not isinstance(values, dict):
        raise BadInputError(f"the preprocessing file {path} must hold one object of keys")
    if isinstance(values.get("preprocessing"), dict):  # a model card or a contract
        values = values["preprocessing"]
    return preprocessing_from_mapping(
        {key: value for key, value in values.items() if key != "source"}, path.name
    )


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Labels from a text file, one a line in class order; blank lines at the end are dropped."""
    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"the label file {path} is not a text file in UTF-8") from None
    except OSError as error:
        raise BadInputError(
            f"the label file {path} cannot be read: {error.strerror or error}"
        ) from error
    labels = tuple(line.strip() for line in text.rstrip().splitlines())
    if not labels:
        raise BadInputError(f"the label file {path} holds no labels; write one label a line")
    if "\x00" in text:
        raise BadInputError(f"the label file {path} is not a text file")
    return labels


def fit_labels(
    labels: tuple[str, ...], width: int, background_class: bool, origin: str = "the label file"
) -> tuple[str, ...]:
    """The labels for an output of `width` classes.

    With `background_class`, a list that is one short gets "background" put before it. Any other
    difference is refused: every answer would be the class beside the right one.
    """
    if len(labels) == width:
        if background_class and labels[0].lower() not in _BACKGROUND_NAMES:
            raise BadInputError(
                f"class 0 is said to be the background, but {origin} calls it {labels[0]!r}; leave "
                "--background-class out, or give labels whose first line is background"
            )
        return labels
    if background_class and len(labels) == width - 1:
        return ("background", *labels)
    hint = "give the label file that belongs to this model"
    if len(labels) == width - 1:
        hint = (
            "if the model's class 0 is a background class, say so with --background-class; "
            "otherwise a label is missing"
        )
    elif len(labels) == width + 1:
        hint = (
            "its first line looks like a background class that this model does not have: remove it"
            if labels[0].lower() in _BACKGROUND_NAMES
            else "it has one label too many"
        )
    raise BadInputError(
        f"{origin} holds {len(labels)} labels but the model has {width} outputs; {hint}"
    )


def read_contract(model: ModelFile) -> Contract:
    """The contract that a model carries: ours, else what the standard metadata says.

    The standard one knows neither crop nor resize method nor EXIF: there our defaults stand, and
    `source` says "standard metadata". Raises `DamagedModelError` where it cannot be read.
    """
    try:
        return _own_contract(model) or _standard_contract(model)
    except DamagedModelError:
        raise
    # RecursionError: thousands of brackets in the JSON.
    except (
        BadInputError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
    ) as error:  # fmt: skip
        raise DamagedModelError(
            f"the preprocessing contract in {model.name} is damaged: {error}; "
            "give others with --preprocess, --labels and --override"
        ) from error


def _decode_labels(data: bytes) -> tuple[str, ...]:
    return tuple(line.strip() for line in data.decode("utf-8").rstrip().splitlines())


def _own_contract(model: ModelFile) -> Contract | None:
    raw = model.metadata.get(CONTRACT_ENTRY)
    if raw is None:
        return None
    record = json.loads(raw.decode("utf-8"))
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()
    if record.get("preprocessing"):
        values = dict(record["preprocessing"])
        preprocessing = preprocessing_from_mapping(values, str(values.pop("source", "model")))
    if record.get("labels"):
        name = record["labels"]["file"]
        if name not in model.associated_files:
            raise ValueError(f"its label file {name} is missing")
        labels = _decode_labels(model.associated_files[name])
        if len(labels) != record["labels"]["count"]:
            raise ValueError("its label file has another length than it should")
    return Contract(preprocessing, labels)


# Field numbers of metadata_schema.fbs
_MODEL_SUBGRAPHS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 3, 2, 3
_TENSOR_CONTENT, _TENSOR_PROCESS_UNITS, _TENSOR_FILES = 3, 4, 6
_NORMALIZATION, _IMAGE, _AXIS_LABELS = 1, 2, 2


def _standard_contract(model: ModelFile) -> Contract:
    raw = model.metadata.get(STANDARD_ENTRY)
    graph = next(iter(Table.root(raw).tables(_MODEL_SUBGRAPHS)), None) if raw else None
    if graph is None:
        return Contract()
    preprocessing = None
    for tensor in list(graph.tables(_GRAPH_INPUTS))[:1]:
        content = tensor.table(_TENSOR_CONTENT)
        grey = False
        if content is not None and content.integer(0, "uint8") == _IMAGE:
            image = content.table(1)
            grey = image is not None and image.integer(0, "int8") == 2
        for unit in tensor.tables(_TENSOR_PROCESS_UNITS):
            options = unit.table(1)
            if unit.integer(0, "uint8") == _NORMALIZATION and options is not None:
                preprocessing = Preprocessing(
                    mean=tuple(float(v) for v in options.scalars(0, "float32")),
                    std=tuple(float(v) for v in options.scalars(1, "float32")),
                    color_order="GRAY" if grey else "RGB",
                    source="standard metadata",
                )
    labels: tuple[str, ...] = ()
    for tensor in list(graph.tables(_GRAPH_OUTPUTS))[:1]:
        for file in tensor.tables(_TENSOR_FILES):
            name = file.text(0)
            if file.integer(2, "int8") == _AXIS_LABELS and name in model.associated_files:
                labels = _decode_labels(model.associated_files[name])
    return Contract(preprocessing, labels)
