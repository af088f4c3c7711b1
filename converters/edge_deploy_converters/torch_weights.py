"""Read the weights in a legacy (non-zip) torch file, without torch and without running it."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001

# torch storage class -> little-endian numpy type of the stored bytes.
_STORAGE_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
}

# Everything torch.save emits, and nothing that makes an object in a way not foreseen here.
_KNOWN_OPCODES = """
PROTO FRAME MARK STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
SHORT_BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT
SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
BINPERSID
"""
_ALLOWED_OPCODES = frozenset(_KNOWN_OPCODES.split())
_TUPLE_OPCODES = frozenset(("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"))


class WeightsError(ValueError):
    """A weights file is damaged, of another format, or asks for code to be run."""


class _StateDict(dict[str, Any]):
    """Stands in for OrderedDict: string keys only, and attributes are dropped."""

    def __setitem__(self, key: object, value: object) -> None:
        # Looked at before it is hashed: only text may name a tensor.
        if not isinstance(key, str):
            raise WeightsError("The weights file names a tensor by something other than text.")
        super().__setitem__(key, value)

    def __setstate__(self, state: object) -> None:
        # torch hangs a `_metadata` attribute on the dict; it says nothing about the values.
        return


@dataclass(frozen=True)
class _Inert:
    """Base of what a pickle may hold; no instruction can change an instance."""

    def __setstate__(self, state: object) -> None:
        raise WeightsError("The weights file tries to change an object after making it.")


@dataclass(frozen=True, eq=False)
class _StorageType(_Inert):
    name: str


@dataclass(frozen=True, eq=False)
class _Storage(_Inert):
    key: str
    type_name: str
    count: int


@dataclass(frozen=True, eq=False)
class _Tensor(_Inert):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _MakeStateDict(_Inert):
    def __call__(self, *arguments: object) -> _StateDict:
        if arguments:
            raise WeightsError("The weights file makes a dictionary in an unknown way.")
        return _StateDict()


@dataclass(frozen=True, eq=False)
class _MakeTensor(_Inert):
    def __call__(self, *arguments: Any) -> _Tensor:
        # (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
        if len(arguments) not in (6, 7):
            raise WeightsError("The weights file makes a tensor in an unknown way.")
        storage, offset, size, stride = arguments[:4]
        if (
            not isinstance(storage, _Storage)
            or not _is_count(offset)
            or not _is_counts(size)
            or not _is_counts(stride)
            or len(size) != len(stride)
        ):
            raise WeightsError("The weights file describes a tensor that cannot exist.")
        return _Tensor(storage, offset, size, stride)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_counts(values: Any) -> bool:
    return type(values) is tuple and all(_is_count(value) for value in values)


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the few names of a state dict and can call nothing else."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str, /) -> object:
        return _find_global(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        # ("storage", type, key, location, element count, view), where a view is long obsolete.
        if (
            type(pid) is not tuple
            or len(pid) != 6
            or pid[0] != "storage"
            or not isinstance(pid[1], _StorageType)
            or type(pid[2]) is not str
            or not _is_count(pid[4])
            or pid[5] is not None
        ):
            raise WeightsError("The weights file refers to its data in an unknown way.")
        wanted = _Storage(pid[2], pid[1].name, pid[4])
        known = self.storages.setdefault(wanted.key, wanted)
        if (known.type_name, known.count) != (wanted.type_name, wanted.count):
            raise WeightsError(f"The weights file describes storage {wanted.key!r:.40} twice.")
        return known


def _find_global(module: str, name: str) -> object:
    if (module, name) == ("collections", "OrderedDict"):
        return _MakeStateDict()
    if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
        return _MakeTensor()
    if module == "torch" and name in _STORAGE_DTYPES:
        return _StorageType(name)
    shown = f"{module}.{name}"[:80]
    raise WeightsError(
        f"The weights file asks for {shown!r}, which a file of weights has no need of; "
        "it was not run."
    )


def _check_opcodes(stream: io.BytesIO) -> None:
    """Walk one pickle without running it, leaving `stream` just after it.

    The unpickler itself is not safe to hand any bytes to: a large memo index makes it allocate
    and fill gigabytes, and hashing deeply nested tuples overflows the C stack.
    """
    stack: list[bool | None] = []  # per entry: whether it is a tuple; None is a mark
    memo: dict[int, bool | None] = {}
    for position, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition(" ")
            _find_global(module, attribute)
        if name not in _ALLOWED_OPCODES:
            raise WeightsError(
                f"The weights file is damaged or not a legacy torch file: its pickle uses {name}."
            )
        if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            index: Any = len(memo) if name == "MEMOIZE" else argument
            if index > position:
                raise WeightsError("The weights file is damaged: its pickle has a wrong reference.")
            memo[index] = stack[-1]
            continue
        if name in ("BINGET", "LONG_BINGET"):
            recalled: Any = argument
            stack.append(memo[recalled])
            continue
        if name == "MARK":
            stack.append(None)
            continue
        popped: list[bool | None] = []
        wanted = opcode.stack_before
        if pickletools.markobject in wanted:
            while (entry := stack.pop()) is not None:
                popped.append(entry)
            wanted = wanted[: wanted.index(pickletools.markobject)]
        popped += [stack.pop() for _ in wanted]
        # Both push the key before the value, so the keys are every second entry popped.
        if name in ("SETITEM", "SETITEMS") and any(popped[1::2]):
            raise WeightsError("The weights file has a dictionary with a tuple as its key.")
        stack += [name in _TUPLE_OPCODES for _ in opcode.stack_after]


def _load_pickle(stream: io.BytesIO) -> tuple[Any, dict[str, _Storage]]:
    start = stream.tell()
    _check_opcodes(stream)
    unpickler = _Unpickler(stream.getvalue()[start : stream.tell()])
    return unpickler.load(), unpickler.storages


def _read_storages(
    stream: io.BytesIO, storages: dict[str, _Storage], file_size_bytes: int
) -> dict[str, bytes]:
    keys, _ = _load_pickle(stream)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise WeightsError("The weights file has no list of its storages.")
    if len(set(keys)) != len(keys) or set(keys) != set(storages):
        raise WeightsError("The weights file lists other storages than its tensors use.")
    contents: dict[str, bytes] = {}
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count:
            raise WeightsError(f"Storage {key!r:.40} of the weights file has a wrong length.")
        size_bytes = count * np.dtype(_STORAGE_DTYPES[storage.type_name]).itemsize
        left_bytes = file_size_bytes - stream.tell()
        if size_bytes > left_bytes:
            raise WeightsError(
                f"The weights file is truncated: storage {key!r:.40} needs {size_bytes} bytes "
                f"and {left_bytes} are left."
            )
        contents[key] = stream.read(size_bytes)
    if stream.read(1):
        raise WeightsError("The weights file has bytes after its last storage.")
    return contents


def _rebuild(name: str, tensor: _Tensor, content: bytes) -> np.ndarray[Any, Any]:
    count = 1
    for length in tensor.size:
        count *= length
    last = tensor.offset + sum(
        (length - 1) * step for length, step in zip(tensor.size, tensor.stride, strict=True)
    )
    # More elements than stored would be a broadcast view, which no saved weight is; refusing it
    # also keeps a few bytes from standing for terabytes.
    if count > tensor.storage.count or (count > 0 and last >= tensor.storage.count):
        raise WeightsError(f"Tensor {name!r:.80} of the weights file reaches past its storage.")
    type_name = tensor.storage.type_name
    dtype = np.dtype(_STORAGE_DTYPES[type_name])
    if count == 0:
        array = np.empty(tensor.size, dtype)
    else:
        array = np.ndarray(
            tensor.size,
            dtype,
            content,
            tensor.offset * dtype.itemsize,
            tuple(step * dtype.itemsize for step in tensor.stride),
        )
    if type_name == "BFloat16Storage":
        # numpy has no bfloat16: it is the upper half of a float32.
        array = (array.astype("<u4") << 16).view("<f4")
    elif type_name == "BoolStorage":
        array = array != 0
    array.flags.writeable = False
    return array


def _read(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    if content[:4] == b"PK\x03\x04":
        raise WeightsError(
            "The weights file is in torch's zip format, and only the legacy format is read here; "
            "save it again with _use_new_zipfile_serialization=False."
        )
    stream = io.BytesIO(content)
    if _load_pickle(stream)[0] != _MAGIC_NUMBER:
        raise WeightsError("The weights file is not a legacy torch file: wrong magic number.")
    if _load_pickle(stream)[0] != _PROTOCOL_VERSION:
        raise WeightsError("The weights file is of an unknown version of torch's legacy format.")
    system = _load_pickle(stream)[0]
    if type(system) is not dict or system.get("little_endian") is not True:
        raise WeightsError("The weights file does not say that its numbers are little-endian.")
    tensors, storages = _load_pickle(stream)
    if not isinstance(tensors, dict):
        raise WeightsError("The weights file holds something other than a state dict.")
    for name, tensor in tensors.items():
        if type(name) is not str or not isinstance(tensor, _Tensor):
            raise WeightsError(f"Entry {name!r:.80} of the weights file is not a named tensor.")
    contents = _read_storages(stream, storages, len(content))
    return {
        name: _rebuild(name, tensor, contents[tensor.storage.key])
        for name, tensor in tensors.items()
    }


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read a state dict saved by torch in its legacy, non-zip format.

    The pickles in the file are checked instruction by instruction and can call nothing but
    inert stand-ins. Arrays keep the file's order, shapes and types (bfloat16 becomes float32),
    are read-only and may be strided.

    Raises WeightsError when the file is damaged, truncated, of another format, or asks for
    anything but tensors; OSError when it cannot be opened.
    """
    return _parse(Path(path).read_bytes())


def _parse(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    try:
        return _read(content)
    except WeightsError:
        raise
    # Broad on purpose: what pickle raises on damaged bytes is not a closed list.
    except Exception as error:
        raise WeightsError(
            f"The weights file is damaged, truncated or not a legacy torch file "
            f"({type(error).__name__})."
        ) from error
