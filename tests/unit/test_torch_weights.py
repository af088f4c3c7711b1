"""Legacy torch files, made by hand: well-formed, strided, malicious and damaged."""

from __future__ import annotations

import collections
import os
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_converters import torch_weights
from edge_deploy_converters.torch_weights import WeightsError, read_state_dict

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


class Global:
    """Pickles as a bare reference to `module.name`, which need not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


class Call:
    """Pickles as a call of a global with arguments."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function = function
        self.arguments = arguments


class Stored:
    """Pickles as a persistent id."""

    def __init__(self, *pid: object) -> None:
        self.pid = pid


def encode(value: Any) -> bytes:
    """Pickle instructions of protocol 2 that push `value`."""
    if isinstance(value, Global):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        return encode(value.function) + encode(value.arguments) + b"R"
    if isinstance(value, Stored):
        return encode(value.pid) + b"Q"
    if isinstance(value, tuple):
        return b"(" + b"".join(encode(item) for item in value) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(encode(item) for item in value) + b"e"
    if isinstance(value, dict):
        items = b"".join(encode(key) + encode(item) for key, item in value.items())
        start = b"}"
        if isinstance(value, collections.OrderedDict):
            start = encode(Call(Global("collections", "OrderedDict")))
        return start + b"(" + items + b"u"
    return pickle.dumps(value, protocol=2)[2:-1]


def pickled(value: Any) -> bytes:
    return b"\x80\x02" + encode(value) + b"."


def tensor(
    key: str,
    count: Any,
    size: Any,
    stride: Any,
    *,
    offset: Any = 0,
    storage_type: str = "FloatStorage",
) -> Call:
    stored = Stored("storage", Global("torch", storage_type), key, "cpu", count, None)
    hooks = Call(Global("collections", "OrderedDict"))
    return Call(
        Global("torch._utils", "_rebuild_tensor_v2"), stored, offset, size, stride, False, hooks
    )


def legacy_file(
    state: Any, storages: dict[str, tuple[int, bytes]], *, keys: list[str] | None = None
) -> bytes:
    head = pickled(MAGIC_NUMBER) + pickled(1001) + pickled(SYSTEM) + pickled(state)
    body = pickled(sorted(storages) if keys is None else keys)
    for key in sorted(storages):
        count, content = storages[key]
        body += struct.pack("<q", count) + content
    return head + body


def read(tmp_path: Path, content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_state_dict(path)


TWELVE = np.arange(12, dtype="<f4")


def small_file(**changes: Any) -> bytes:
    fields: dict[str, Any] = {"key": "7", "count": 12, "size": (3, 4), "stride": (4, 1)}
    state = collections.OrderedDict(w=tensor(**(fields | changes)))
    return legacy_file(state, {"7": (12, TWELVE.tobytes())})


def two_tensor_file() -> bytes:
    state = collections.OrderedDict(
        {
            "layer.weight": tensor("a", 12, (2, 3), (1, 2), offset=4),
            "layer.steps": tensor("b", 1, (), (), storage_type="LongStorage"),
        }
    )
    return legacy_file(state, {"a": (12, TWELVE.tobytes()), "b": (1, struct.pack("<q", -5))})


def test_reads_names_order_shapes_and_types(tmp_path: Path) -> None:
    state = read(tmp_path, two_tensor_file())
    assert list(state) == ["layer.weight", "layer.steps"]
    assert state["layer.steps"].dtype == np.int64
    assert state["layer.steps"].shape == ()
    assert state["layer.steps"] == -5


def test_follows_offset_and_stride(tmp_path: Path) -> None:
    weight = read(tmp_path, two_tensor_file())["layer.weight"]
    np.testing.assert_array_equal(weight, [[4, 6, 8], [5, 7, 9]])


def test_two_tensors_may_share_a_storage(tmp_path: Path) -> None:
    state = {"all": tensor("7", 12, (12,), (1,)), "last": tensor("7", 12, (2,), (1,), offset=10)}
    arrays = read(tmp_path, legacy_file(state, {"7": (12, TWELVE.tobytes())}))
    np.testing.assert_array_equal(arrays["all"], TWELVE)
    np.testing.assert_array_equal(arrays["last"], [10, 11])


def test_arrays_are_read_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path, small_file())["w"][0, 0] = 1


def test_an_empty_tensor_is_read(tmp_path: Path) -> None:
    state = {"none": tensor("e", 0, (0, 3), (3, 1))}
    assert read(tmp_path, legacy_file(state, {"e": (0, b"")}))["none"].shape == (0, 3)


@pytest.mark.parametrize(
    ("storage_type", "content", "expected"),
    [
        ("HalfStorage", np.array([1.5, -2], "<f2").tobytes(), np.array([1.5, -2], np.float16)),
        ("BFloat16Storage", b"\xc0\x3f\x00\xc0", np.array([1.5, -2], np.float32)),
        ("BoolStorage", b"\x00\x07", np.array([False, True])),
        ("ByteStorage", b"\x00\xff", np.array([0, 255], np.uint8)),
        ("DoubleStorage", struct.pack("<dd", 0.1, -1), np.array([0.1, -1], np.float64)),
    ],
)
def test_storage_types(
    tmp_path: Path, storage_type: str, content: bytes, expected: np.ndarray[Any, Any]
) -> None:
    state = {"t": tensor("s", 2, (2,), (1,), storage_type=storage_type)}
    array = read(tmp_path, legacy_file(state, {"s": (2, content)}))["t"]
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_attributes_on_the_state_dict_are_dropped(tmp_path: Path) -> None:
    state = encode(collections.OrderedDict(w=tensor("7", 12, (12,), (1,))))
    state += encode({"_metadata": {"": {"version": 1}}}) + b"b"
    content = pickled(MAGIC_NUMBER) + pickled(1001) + pickled(SYSTEM)
    content += b"\x80\x02" + state + b"." + pickled(["7"])
    content += struct.pack("<q", 12) + TWELVE.tobytes()
    assert list(read(tmp_path, content)) == ["w"]


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / "none.pth")


@pytest.mark.parametrize(
    "call",
    [
        Call(Global("os", "system"), "touch ran"),
        Call(Global("posix", "system"), "touch ran"),
        Call(Global("builtins", "eval"), "open('ran', 'w')"),
        Call(Global("builtins", "getattr"), "x", "y"),
        Call(Global("torch", "load"), "x"),
        Call(Global("torch", "FloatStorage.__init__"), "x"),
        Call(Global("collections", "OrderedDict.fromkeys"), "x"),
        Call(Global("torch._utils", "_rebuild_parameter"), "x"),
    ],
    ids=lambda call: f"{call.function.module}.{call.function.name}",
)
@pytest.mark.parametrize("place", ["magic", "state", "keys"])
def test_another_global_is_named_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    head = pickled(MAGIC_NUMBER) + pickled(1001) + pickled(SYSTEM)
    before = {"magic": b"", "state": head, "keys": head + pickled({})}[place]
    with pytest.raises(WeightsError) as caught:
        read(tmp_path, before + pickled(call))
    assert f"{call.function.module}.{call.function.name}" in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_command_is_not_run_in_any_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    class Command:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return os.system, ("touch ran",)

    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"\.system"):
        read(tmp_path, pickle.dumps(Command(), protocol=protocol))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (b"(S'touch ran'\nios\nsystem\n.", "INST"),
        (b"\x82\x01.", "an extension registered elsewhere"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n}b.", "BUILD on the function"),
        (b"ctorch\nFloatStorage\n)\x81.", "NEWOBJ"),
        (b"ctorch\nFloatStorage\n)R.", "call of a storage type"),
        (b"}r\xff\xff\xff\xff.", "memo of 32 GB"),
        (b")" + b"\x85" * 200_000 + b"q\x00}h\x00Ns.", "C stack overflow on hashing"),
        (b"}(" + b")" + b"\x85" * 200_000 + b"Nu.", "the same through SETITEMS"),
        (b"]" * 100_000 + b"a" * 99_999 + b".", "deep lists"),
        (b"0.", "stack underflow"),
        (b"h\x05.", "unknown memo"),
        (b"X\xff\xff\xff\xffa.", "long text"),
        (b"\x8b\xff\xff\xff\x7f.", "long integer"),
        (b"}X\x01\x00\x00\x00aX\x01\x00\x00\x00bs}b.", "BUILD on a plain dict"),
    ],
)
def test_hostile_programs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    head = pickled(MAGIC_NUMBER) + pickled(1001) + pickled(SYSTEM)
    with pytest.raises(WeightsError):
        read(tmp_path, head + b"\x80\x02" + program)
    assert not (tmp_path / "ran").exists(), why


def test_the_inert_stand_ins_survive_an_attempt_to_change_them(tmp_path: Path) -> None:
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + encode({"__call__": None}) + b"b."
    with pytest.raises(WeightsError, match="change an object"):
        read(tmp_path, pickled(MAGIC_NUMBER) + pickled(1001) + pickled(SYSTEM) + program)
    assert read(tmp_path, small_file())["w"].shape == (3, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**80},
        {"offset": None},
        {"size": (4, 4)},
        {"size": (3, -4)},
        {"size": (2**62, 2**62)},
        {"size": [3, 4]},
        {"size": (3, True)},
        {"stride": (5, 1)},
        {"stride": (-4, 1)},
        {"stride": (4,)},
        {"stride": (2**70, 1)},
        {"size": (2**40,), "stride": (0,)},
        {"size": (1,) * 200, "stride": (1,) * 200},
        {"count": 11},
        {"count": -1},
        {"count": 2**63},
        {"key": "8"},
        {"storage_type": "QInt8Storage"},
        {"storage_type": "DoubleStorage"},
    ],
)
def test_impossible_tensors_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert read(tmp_path, small_file())["w"].tolist() == TWELVE.reshape(3, 4).tolist()
    with pytest.raises(WeightsError) as caught:
        read(tmp_path, small_file(**changes))
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04" + bytes(100), "zip format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "damaged"),
        (pickled(123), "magic number"),
        (pickled(MAGIC_NUMBER) + pickled(1002), "version"),
        (pickled(MAGIC_NUMBER) + pickled(1001) + pickled({"little_endian": False}), "endian"),
        (legacy_file([], {}), "state dict"),
        (legacy_file({"epoch": 3}, {}), "'epoch'"),
        (legacy_file({3: None}, {}), "Entry 3"),
        (legacy_file(collections.OrderedDict({3: None}), {}), "other than text"),
        (legacy_file({}, {}, keys=["a"]), "other storages"),
        (legacy_file({}, {}) + b"x", "after its last storage"),
        (small_file() + b"x", "after its last storage"),
    ],
)
def test_other_files_are_refused_with_a_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, content)


def test_a_storage_described_twice_is_refused(tmp_path: Path) -> None:
    state = {
        "a": tensor("7", 12, (12,), (1,)),
        "b": tensor("7", 3, (3,), (1,), storage_type="IntStorage"),
    }
    with pytest.raises(WeightsError, match="twice"):
        read(tmp_path, legacy_file(state, {"7": (12, TWELVE.tobytes())}))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = two_tensor_file()
    for length in range(len(content)):
        with pytest.raises(WeightsError):
            read(tmp_path, content[:length])


def test_random_damage_is_read_or_refused_but_never_escapes() -> None:
    content = two_tensor_file()
    source = random.Random(20240607)
    refused = 0
    for _ in range(5000):
        damaged = bytearray(content)
        for _ in range(source.choice((1, 1, 2, 8))):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        try:
            # The private half, which spares five thousand files.
            torch_weights._parse(bytes(damaged))
        except WeightsError:
            refused += 1
    assert refused > 2500
