"""Which output of a detector is which, and what its post-processing operator says of itself."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .errors import BadInputError, DamagedModelError
from .tflite.flatbuffer import Table
from .tflite.model_file import ModelFile

OPERATOR = "TFLite_Detection_PostProcess"
_WORDS = {
    "boxes": ("box", "location"),
    "classes": ("class", "categor"),
    "scores": ("score",),
    "count": ("num", "count"),
}


class DetectionOutputs(NamedTuple):
    """Positions of the four outputs in the model's list of outputs.

    `classes_counted` is the number of classes without a background class, and `background` says
    whether the network itself has one, which the operator leaves out; None where nobody says.
    """

    boxes: int
    classes: int
    scores: int
    count: int  # type: ignore[assignment]  # a tuple's method, which nobody needs here
    classes_counted: int | None = None
    background: bool | None = None


def is_detector(file: ModelFile) -> bool:
    """Whether the model ends as SSD detectors do: boxes of four numbers, and three more outputs."""
    if any(operator.custom == OPERATOR for operator in file.graph.operators):
        return True
    shapes = [tensor.shape for tensor in file.outputs]
    return len(shapes) == 4 and any(len(shape) == 3 and shape[-1] == 4 for shape in shapes)


def find_outputs(file: ModelFile) -> DetectionOutputs:
    """The outputs of a detector, whatever order its exporter gave them.

    The standard operator knows them by its own order; without it their names must say it. Raises
    `BadInputError` where neither does.
    """
    outputs = list(file.graph.outputs)
    for operator in file.graph.operators:
        if operator.custom != OPERATOR or len(operator.outputs) < 4:
            continue
        places = [outputs.index(i) if i in outputs else -1 for i in operator.outputs[:4]]
        if -1 in places:
            break
        counted, background = _class_counts(file, operator.index, operator.inputs)
        boxes, classes, scores, count = places
        return DetectionOutputs(boxes, classes, scores, count, counted, background)
    if len(outputs) == 4:
        names = [tensor.name.lower() for tensor in file.outputs]
        found = {}
        for role, words in _WORDS.items():
            matching = [i for i, name in enumerate(names) if any(word in name for word in words)]
            if len(matching) == 1:
                found[role] = matching[0]
        if len(set(found.values())) == 4:
            return DetectionOutputs(
                found["boxes"], found["classes"], found["scores"], found["count"]
            )
    shapes = [f"{tensor.name} {list(tensor.shape)}" for tensor in file.outputs]
    raise BadInputError(
        f"{file.name} answers with {', '.join(shapes)}, which are not the four outputs of SSD "
        f"post-processing (boxes, classes, scores, count); export it with {OPERATOR}"
    )


def _class_counts(
    file: ModelFile, number: int, inputs: tuple[int, ...]
) -> tuple[int | None, bool | None]:
    """Classes without background, from the operator's options, and whether there is one besides."""
    counted = _option(file, number, "num_classes")
    predictions = file.graph.tensor(inputs[1]).shape if len(inputs) > 1 else ()
    if not predictions or counted is None or counted < 1:
        return None, None
    return counted, predictions[-1] == counted + 1


def _option(file: ModelFile, number: int, key: str) -> int | None:
    try:
        graph = next(iter(Table.root(file.data).tables(2)))
        operator = list(graph.tables(3))[number]
        return flexbuffer_integer(bytes(operator.raw(5) or b""), key)
    except (DamagedModelError, IndexError, StopIteration):
        return None


def flexbuffer_integer(data: bytes, key: str) -> int | None:
    """The integer under `key` in a FlexBuffer whose root is a map; None where there is none.

    Format: https://flatbuffers.dev/flexbuffers/
    """
    try:
        return _map_integer(data, key.encode())
    except (struct.error, IndexError, KeyError, ValueError):
        return None


_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_SIGNED = {1: "<b", 2: "<h", 4: "<i", 8: "<q"}
_TYPE_INT, _TYPE_UINT, _TYPE_MAP = 1, 2, 9


def _read(data: bytes, at: int, width: int, forms: dict[int, str]) -> int:
    if at < 0:
        raise ValueError("an offset leaves the buffer")
    return int(struct.unpack_from(forms[width], data, at)[0])


def _map_integer(data: bytes, key: bytes) -> int | None:
    root_width, root_type = data[-1], data[-2]
    if root_type >> 2 != _TYPE_MAP:
        return None
    root = len(data) - 2 - root_width
    values = root - _read(data, root, root_width, _UNSIGNED)
    width = 1 << (root_type & 3)
    count = _read(data, values - width, width, _UNSIGNED)
    at = values - 3 * width
    keys = at - _read(data, at, width, _UNSIGNED)
    key_width = _read(data, values - 2 * width, width, _UNSIGNED)
    for index in range(count):
        at = keys + index * key_width
        start = at - _read(data, at, key_width, _UNSIGNED)
        if start < 0 or data[start : data.index(b"\0", start)] != key:
            continue
        kind = data[values + count * width + index] >> 2
        if kind not in (_TYPE_INT, _TYPE_UINT):
            return None
        forms = _SIGNED if kind == _TYPE_INT else _UNSIGNED
        return _read(data, values + index * width, width, forms)
    return None
