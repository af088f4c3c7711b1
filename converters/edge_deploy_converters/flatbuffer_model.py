"""Changing a TFLite model: unpacked into objects, packed again into bytes."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep what the conversion libraries print, to either stream, away from the user."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def unpack(data: bytes | bytearray) -> Any:
    """The model as a `ModelT`, with the weights that lie behind the flatbuffer brought inside."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    for buffer in model.buffers:
        if buffer.offset and buffer.offset > 1 and buffer.size:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        elif buffer.data is not None:
            buffer.data = np.asarray(buffer.data, np.uint8)
        buffer.offset = buffer.size = 0
    return model


class _AlignedBuffer:
    """Packs weights at 16-byte boundaries, as the schema demands and its Python code forgets."""

    def __init__(self, data: NDArray[np.uint8] | None) -> None:
        self._data = data

    def Pack(self, builder: Any) -> int:
        """Write the buffer; the position of its table."""
        from ai_edge_litert import schema_py_generated as schema

        position = None
        if self._data is not None and len(self._data):
            builder.StartVector(1, len(self._data), 16)
            builder.head -= len(self._data)
            builder.Bytes[builder.head : builder.head + len(self._data)] = self._data.tobytes()
            position = builder.EndVector()
        schema.BufferStart(builder)
        if position is not None:
            schema.BufferAddData(builder, position)
        return int(schema.BufferEnd(builder))


def pack(model: Any) -> bytes:
    """The bytes of a `ModelT` that `unpack` made; the same object gives the same bytes."""
    import flatbuffers

    buffers = model.buffers
    weights = sum(len(b.data) for b in buffers if b.data is not None)
    builder = flatbuffers.Builder(weights + 2**20)
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in buffers]
    try:
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    finally:
        model.buffers = buffers
    return bytes(builder.Output())


def text(value: Any) -> str:
    """A name in a `ModelT`, which may be bytes, text or nothing."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return str(value or "")


def add_signature(model: Any, key: str = "serving_default") -> None:
    """Give a model without a signature one, named after its tensors."""
    from ai_edge_litert import schema_py_generated as schema

    if model.signatureDefs:
        return
    graph = model.subgraphs[0]

    def entries(indices: Any, fallback: str) -> list[Any]:
        listed, used = [], set()
        for n, index in enumerate(indices):
            entry = schema.TensorMapT()
            name = text(graph.tensors[index].name).split(":")[0].split("/")[-1] or f"{fallback}_{n}"
            name = name if name not in used else f"{fallback}_{n}"
            used.add(name)
            entry.name, entry.tensorIndex = name.encode(), int(index)
            listed.append(entry)
        return listed

    signature = schema.SignatureDefT()
    signature.signatureKey = key.encode()
    signature.subgraphIndex = 0
    signature.inputs = entries(graph.inputs, "input")
    signature.outputs = entries(graph.outputs, "output")
    model.signatureDefs = [signature]


def set_metadata(model: Any, name: str, data: bytes) -> None:
    """Put one metadata entry into a model, replacing one of that name."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    entries = list(model.metadata or [])
    for entry in entries:
        if text(entry.name) == name:
            model.buffers[entry.buffer] = buffer
            return
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), len(model.buffers) - 1
    model.metadata = [*entries, entry]


def drop_metadata(model: Any, name: str) -> None:
    """Remove a metadata entry, and leave its buffer empty."""
    kept = []
    for entry in model.metadata or []:
        if text(entry.name) == name:
            model.buffers[entry.buffer].data = None
        else:
            kept.append(entry)
    model.metadata = kept
