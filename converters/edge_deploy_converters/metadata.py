"""Writing the contract into a `.tflite`: our JSON, and TFLite's standard metadata where it is true.

The standard's schema is metadata_schema.fbs of TensorFlow Lite; its own library is no longer
maintained, so the few tables that are needed are written here. Field numbers are the schema's.
"""

from __future__ import annotations

import io
import zipfile

from edge_deploy_runner.contract import LABELS_FILE, Contract
from edge_deploy_runner.tflite.model_file import CONTRACT_ENTRY, STANDARD_ENTRY, ModelFile

from .flatbuffer_model import add_signature, drop_metadata, pack, set_metadata, unpack

_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
_IMAGE_PROPERTIES, _NORMALIZATION = 2, 1  # members of the schema's unions
_RGB, _GRAYSCALE = 1, 2
_TENSOR_AXIS_LABELS = 2


def is_standard(contract: Contract) -> bool:
    """Whether the standard metadata can tell the truth about this contract."""
    wanted = contract.preprocessing
    return wanted is not None and wanted.color_order != "BGR" and wanted.layout == "NHWC"


def attach(model: bytes, contract: Contract, name: str, description: str) -> bytes:
    """The model with its contract, labels and a signature inside; the weights are unchanged."""
    unpacked = unpack(model)
    add_signature(unpacked)
    unpacked.description = description.encode()
    set_metadata(unpacked, CONTRACT_ENTRY, contract.to_json().encode())
    if is_standard(contract):
        file = ModelFile(model, name)
        set_metadata(unpacked, STANDARD_ENTRY, standard_metadata(file, contract, name, description))
    else:
        drop_metadata(unpacked, STANDARD_ENTRY)
    return append_files(pack(unpacked), _files(contract))


def _files(contract: Contract) -> dict[str, bytes]:
    if not contract.labels:
        return {}
    return {LABELS_FILE: ("\n".join(contract.labels) + "\n").encode()}


def append_files(model: bytes, files: dict[str, bytes]) -> bytes:
    """The model with a zip of files behind it, stored and with fixed dates."""
    if not files:
        return model
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, zipfile.ZIP_STORED)
    return stream.getvalue()


class _Writer:
    """Writes FlatBuffers tables bottom up: children first."""

    def __init__(self) -> None:
        import flatbuffers

        self._builder = flatbuffers.Builder(4096)

    def text(self, value: str) -> int:
        """A string; its position."""
        return int(self._builder.CreateString(value))

    def offsets(self, items: list[int]) -> int:
        """A list of tables or strings."""
        self._builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            self._builder.PrependUOffsetTRelative(item)
        return int(self._builder.EndVector())

    def floats(self, values: tuple[float, ...]) -> int:
        """A list of float32."""
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def table(
        self,
        fields: int,
        offsets: dict[int, int],
        int8: dict[int, int] | None = None,
        uint8: dict[int, int] | None = None,
        uint32: dict[int, int] | None = None,
    ) -> int:
        """A table with `fields` fields; each argument maps a field's number to its value."""
        builder = self._builder
        builder.StartObject(fields)
        for number, value in offsets.items():
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
        for number, value in (uint32 or {}).items():
            builder.PrependUint32Slot(number, value, 0)
        for number, value in (int8 or {}).items():
            builder.PrependInt8Slot(number, value, 0)
        for number, value in (uint8 or {}).items():
            builder.PrependUint8Slot(number, value, 0)
        return int(builder.EndObject())

    def finish(self, root: int) -> bytes:
        """The bytes, with the identifier of TFLite metadata."""
        self._builder.Finish(root, file_identifier=_IDENTIFIER)
        return bytes(self._builder.Output())


def standard_metadata(file: ModelFile, contract: Contract, name: str, description: str) -> bytes:
    """The standard's `ModelMetadata`: one photo input with its normalization, one output with
    labels. Call it only where `is_standard`.
    """
    write = _Writer()
    inputs = [_input_metadata(write, file, contract)]
    outputs = [_output_metadata(write, contract)]
    graph = write.table(
        9, {0: write.text(name), 2: write.offsets(inputs), 3: write.offsets(outputs)}
    )
    root = write.table(
        8,
        {
            0: write.text(name),
            1: write.text(description),
            3: write.offsets([graph]),
            7: write.text(_PARSER_VERSION),
        },
    )
    return write.finish(root)


def _input_metadata(write: _Writer, file: ModelFile, contract: Contract) -> int:
    preprocessing = contract.preprocessing
    assert preprocessing is not None
    _, height, width, _ = file.inputs[0].shape
    size = write.table(2, {}, uint32={0: width, 1: height})
    grey = preprocessing.color_order == "GRAY"
    image = write.table(2, {1: size}, int8={0: _GRAYSCALE if grey else _RGB})
    content = write.table(3, {1: image}, uint8={0: _IMAGE_PROPERTIES})
    mean, std = preprocessing.mean, preprocessing.std
    # The standard wants as many values in one list as in the other.
    if len(mean) != len(std):
        mean, std = preprocessing.per_channel()
    options = write.table(2, {0: write.floats(mean), 1: write.floats(std)})
    unit = write.table(2, {1: options}, uint8={0: _NORMALIZATION})
    ends = tuple(
        tuple((value - m) / s for m, s in zip(*preprocessing.per_channel(), strict=True))
        for value in (255, 0)
    )
    stats = write.table(2, {0: write.floats(ends[0]), 1: write.floats(ends[1])})
    return write.table(
        7,
        {
            0: write.text("image"),
            1: write.text("The photo to classify"),
            3: content,
            4: write.offsets([unit]),
            5: stats,
        },
    )


def _output_metadata(write: _Writer, contract: Contract) -> int:
    fields = {0: write.text("scores"), 1: write.text("One score a class")}
    content = write.table(1, {})
    fields[3] = write.table(3, {1: content}, uint8={0: 1})  # FeatureProperties
    if contract.labels:
        label_file = write.table(
            5,
            {0: write.text(LABELS_FILE), 1: write.text("The classes, in the order of the scores")},
            int8={2: _TENSOR_AXIS_LABELS},
        )
        fields[6] = write.offsets([label_file])
    return write.table(7, fields)
