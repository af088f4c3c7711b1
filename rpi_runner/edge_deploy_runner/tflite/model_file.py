"""Reading a `.tflite` file: its graph, its metadata and the files packed behind it.

Nothing here runs a model or trusts the file: damaged bytes end in `DamagedModelError`.
Field numbers are those of TFLite's schema.fbs and metadata_schema.fbs.
"""

from __future__ import annotations

import io
import os
import stat
from functools import cached_property
from pathlib import Path

from edge_deploy_runner.errors import BadInputError, DamagedModelError

from .flatbuffer import Table
from .graph import BITS, TENSOR_TYPES, OperatorInfo, Signature, Subgraph, TensorInfo
from .graph_checks import check_graph, check_size
from .operator_names import BUILTIN_OPERATORS

_LONGEST_ZIP_END = 22 + 2**16  # the last record of a zip, with the longest comment
CONTRACT_ENTRY = "EDGE_DEPLOY_CONTRACT"
STANDARD_ENTRY = "TFLITE_METADATA"
_LARGEST_ASSOCIATED_FILE = 16 * 2**20
_APPS = {
    ".aar": "an Android library", ".apk": "an Android app", ".aab": "an Android app bundle",
}  # fmt: skip
_MOST_ASSOCIATED_BYTES = 4 * _LARGEST_ASSOCIATED_FILE


class ModelFile:
    """The parsed content of one `.tflite` file.

    `data` is the whole file. Raises `DamagedModelError` where the bytes make no sense.
    """

    def __init__(self, data: bytes, name: str = "the model") -> None:
        self.data = data
        self.name = name
        check_magic(data, name)
        try:
            self._root = Table.root(data)
            self.version = self._root.integer(0, "uint32")
            self.description = self._root.text(3)
            self._buffers = tuple(self._root.tables(4))
            self.subgraphs = self._read_subgraphs()
            self.signatures = self._read_signatures()
            self.metadata = self._read_metadata()
            self._root.trust()
        except DamagedModelError as error:
            raise DamagedModelError(
                f"{name} is damaged: {error}; copy or convert it again"
            ) from error
        if not self.subgraphs:
            raise DamagedModelError(f"{name} holds no graph; convert it again")

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ModelFile:
        """Read and parse the file at `path`."""
        return cls(read_model_bytes(path), Path(path).name)

    @cached_property
    def sha256(self) -> str:
        """The file's sha256, in hex."""
        import hashlib

        return hashlib.sha256(self.data).hexdigest()

    @property
    def graph(self) -> Subgraph:
        """The model's first graph."""
        return self.subgraphs[0]

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Input tensors in order."""
        return tuple(self.graph.tensor(index) for index in self.graph.inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Output tensors in order."""
        return tuple(self.graph.tensor(index) for index in self.graph.outputs)

    def buffer_data(self, index: int) -> memoryview:
        """The bytes of buffer `index`, also where they lie behind the flatbuffer; may be empty."""
        start, size = self._buffer_extent(index)
        return memoryview(self.data)[start : start + size]

    def _buffer_extent(self, index: int) -> tuple[int, int]:
        """Position in the file and bytes of a buffer; (0, 0) where nothing is stored."""
        if not 0 <= index < len(self._buffers):
            return 0, 0
        table = self._buffers[index]
        start, size = table.extent(0)
        if size:
            return start, size
        start, size = table.integer(1, "uint64"), table.integer(2, "uint64")
        if start <= 1 or size <= 0:
            return 0, 0
        if start + size > len(self.data):
            raise DamagedModelError(f"{self.name} is damaged: buffer {index} leaves the file")
        return start, size

    def is_constant(self, tensor: TensorInfo) -> bool:
        """Whether the tensor's values are stored in the file."""
        return self._buffer_extent(tensor.buffer)[1] > 0

    @cached_property
    def associated_files(self) -> dict[str, bytes]:
        """Files packed behind the model, as TFLite metadata does (a zip); empty if none."""
        if b"PK\x05\x06" not in self.data[-_LONGEST_ZIP_END:]:
            return {}
        import zipfile  # costs 8 ms, and most foreign models have nothing packed behind them

        if not zipfile.is_zipfile(io.BytesIO(self.data)):
            return {}
        try:
            files: dict[str, bytes] = {}
            left = _MOST_ASSOCIATED_BYTES
            with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
                for info in archive.infolist():
                    if info.file_size <= min(_LARGEST_ASSOCIATED_FILE, left):
                        files[info.filename] = archive.read(info)
                        left -= info.file_size
            return files
        # zipfile and zlib raise a dozen types on damaged archives; all mean the same here.
        except Exception as error:
            raise DamagedModelError(
                f"the files packed behind {self.name} are damaged: {error}"
            ) from error

    def _read_subgraphs(self) -> tuple[Subgraph, ...]:
        codes = []
        for table in self._root.tables(1):
            # Numbers above 127 are in the newer field; older files have only the first one.
            number = max(table.integer(0, "int8"), table.integer(3, "int32"))
            known = 0 <= number < len(BUILTIN_OPERATORS)
            kind = BUILTIN_OPERATORS[number] if known else f"UNKNOWN_{number}"
            codes.append((kind, table.text(1)))
        return tuple(self._read_subgraph(table, codes) for table in self._root.tables(2))

    def _read_subgraph(self, table: Table, codes: list[tuple[str, str]]) -> Subgraph:
        entries = tuple(table.tables(0))
        tensors = tuple(_read_tensor(i, entry) for i, entry in enumerate(entries))
        operators = []
        for index, entry in enumerate(table.tables(3)):
            opcode = entry.integer(0, "uint32")
            if opcode >= len(codes):
                raise DamagedModelError(f"operator {index} has no operator code")
            kind, custom = codes[opcode]
            operators.append(
                OperatorInfo(
                    index=index,
                    kind=kind,
                    custom=custom if kind == "CUSTOM" else "",
                    inputs=entry.integers(1),
                    outputs=entry.integers(2),
                    options_type=entry.integer(3, "uint8"),
                    options=entry.table(4),
                )
            )
        graph = Subgraph(
            table.text(4), tensors, tuple(operators), table.integers(1), table.integers(2)
        )
        check_graph(graph)
        for tensor, entry in zip(tensors, entries, strict=True):
            if tensor.buffer and tensor.buffer >= len(self._buffers):
                raise DamagedModelError(f"tensor {tensor.index} names a buffer that is not there")
            stored = self._buffer_extent(tensor.buffer)[1]
            if not stored:
                check_size(tensor)
            # Sparse tensors and those of sub-byte types are stored in another size.
            plain = BITS.get(tensor.dtype, 0) >= 8 and entry.table(6) is None
            if stored and plain and stored != tensor.size_bytes:
                raise DamagedModelError(
                    f"tensor {tensor.index} of {tensor.size_bytes} bytes is stored in {stored}"
                )
        return graph

    def _read_signatures(self) -> tuple[Signature, ...]:
        signatures = tuple(
            Signature(
                key=table.text(2, strict=True),
                inputs={e.text(0, strict=True): e.integer(1, "uint32") for e in table.tables(0)},
                outputs={e.text(0, strict=True): e.integer(1, "uint32") for e in table.tables(1)},
                subgraph=table.integer(4, "uint32"),
            )
            for table in self._root.tables(7)
        )
        for signature in signatures:
            if signature.subgraph >= len(self.subgraphs):
                raise DamagedModelError(f"signature {signature.key!r} has no graph")
            for index in (*signature.inputs.values(), *signature.outputs.values()):
                self.subgraphs[signature.subgraph].tensor(index)
        return signatures

    def _read_metadata(self) -> dict[str, bytes]:
        metadata: dict[str, bytes] = {}
        left = len(self.data)
        for entry in self._root.tables(6):
            content = self.buffer_data(entry.integer(1, "uint32"))
            left -= len(content)
            if left < 0:
                raise DamagedModelError("its metadata is larger than the file")
            metadata[entry.text(0)] = bytes(content)
        return metadata


def _read_tensor(index: int, table: Table) -> TensorInfo:
    dtype = table.integer(1, "int8")
    quantization = table.table(4)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    dimension = 0
    if quantization is not None:
        scales = quantization.scalars(2, "float32")
        zero_points = quantization.integers(3, "int64")
        dimension = quantization.integer(6, "int32")
    return TensorInfo(
        index=index,
        name=table.text(3, strict=True),
        shape=table.integers(0),
        shape_signature=table.integers(7),
        dtype=TENSOR_TYPES[dtype] if 0 <= dtype < len(TENSOR_TYPES) else f"unknown_{dtype}",
        buffer=table.integer(2, "uint32"),
        scales=scales,
        zero_points=zero_points,
        quantized_dimension=dimension,
        is_variable=bool(table.scalar(5, "bool", False)),
    )


def read_model_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a model file; raises `BadInputError` with the reason where there are none."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInputError(f"{path} is a folder, not a .tflite file; name the file in it")
        if not stat.S_ISREG(mode):  # a pipe has no end to wait for, a device may have none at all
            raise BadInputError(f"{path} is no file; name a .tflite file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInputError(f"there is no model at {path}; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"{path} cannot be read: {reason}") from error
    if path.suffix.lower() in _APPS and data.startswith(b"PK"):
        raise BadInputError(
            f"{path} is {_APPS[path.suffix.lower()]}, no .tflite file; the model is inside, in "
            "assets/ (`edge-deploy inspect` lists what it holds): unzip it and name that"
        )
    check_magic(data, path.name)
    return data


def check_magic(data: bytes, name: str) -> None:
    """Raise `DamagedModelError` unless the bytes start as a TFLite file does.

    A zip is no disproof: a model with label files packed behind it is one as well.
    """
    if not data:
        raise DamagedModelError(f"{name} is empty; copy or convert it again")
    if data[4:8] != b"TFL3":
        kinds = {
            b"PK\x03\x04": "a zip archive (perhaps a .keras file: use `edge-deploy convert`)",
            b"\x89PNG": "a PNG image",
            b"\xff\xd8\xff": "a JPEG image",
            b"\x89HDF": "an HDF5 file (perhaps a Keras .h5: use `edge-deploy convert`)",
        }
        kind = next((text for magic, text in kinds.items() if data.startswith(magic)), None)
        what = f"it is {kind}" if kind else "it has no TFL3 mark"
        raise DamagedModelError(f"{name} is not a TFLite model: {what}; name a .tflite file")
