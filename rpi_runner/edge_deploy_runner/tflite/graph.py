"""What a `.tflite` file's graph is made of: tensors, operators, signatures."""

# Without `from __future__ import annotations`: a NamedTuple would compile each text again.
from typing import NamedTuple

from edge_deploy_runner.errors import DamagedModelError

from .flatbuffer import Table

TENSOR_TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
    "int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
    "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
BITS = {
    "float32": 32, "float16": 16, "bfloat16": 16, "float64": 64, "complex64": 64,
    "complex128": 128, "int64": 64, "uint64": 64, "int32": 32, "uint32": 32, "int16": 16,
    "uint16": 16, "int8": 8, "uint8": 8, "bool": 8, "int4": 4, "uint4": 4, "int2": 2,
    "float8_e4m3fn": 8, "float8_e5m2": 8,
}  # fmt: skip


class TensorInfo(NamedTuple):
    """One tensor of the graph. `scales` is empty for a tensor that is not quantized."""

    index: int  # type: ignore[assignment]  # a tuple's method, which nobody needs here
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    buffer: int
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    is_variable: bool = False

    @property
    def elements(self) -> int:
        """Number of elements at the stored shape."""
        count = 1
        for size in self.shape:
            count *= max(size, 0)
        return count

    @property
    def size_bytes(self) -> int:
        """Bytes of the elements; 0 for types without a fixed size."""
        return (self.elements * BITS.get(self.dtype, 0) + 7) // 8

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension is left open."""
        return any(size < 0 for size in self.shape_signature or self.shape)


class OperatorInfo(NamedTuple):
    """One operator: `kind` is the builtin's name, `custom` the name of a custom one.

    `options` is not compared: it only says where in its file the operator's options lie.
    """

    index: int  # type: ignore[assignment]  # a tuple's method, which nobody needs here
    kind: str
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int = 0
    options: Table | None = None

    @property
    def is_flex(self) -> bool:
        """A TensorFlow operator that no TFLite runtime for Python can run."""
        return self.custom.startswith("Flex")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OperatorInfo) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-1])


class Subgraph(NamedTuple):
    """One graph of tensors and operators; the first one is the model."""

    name: str
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def tensor(self, index: int) -> TensorInfo:
        """The tensor `index`; raises `DamagedModelError` for one that is not there."""
        if not 0 <= index < len(self.tensors):
            raise DamagedModelError(f"an operator refers to tensor {index}, which does not exist")
        return self.tensors[index]


class Signature(NamedTuple):
    """A named entry point: its inputs and outputs by name, as tensor numbers."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    subgraph: int = 0
