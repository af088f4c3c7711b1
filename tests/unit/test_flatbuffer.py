"""The bounds-checked FlatBuffers reader, against buffers of the real writer and damaged ones."""

from __future__ import annotations

import random
import struct

import flatbuffers
import numpy as np
import pytest
from edge_deploy_runner.errors import DamagedModelError
from edge_deploy_runner.tflite.flatbuffer import Table


def sample() -> bytes:
    """A table: 0 int32 -7, 1 "name", 2 [1, 2, 3] int32, 3 a table, 4 [two tables], 5 texts."""
    builder = flatbuffers.Builder(64)
    name, first, second = (builder.CreateString(text) for text in ("näme", "a", "bc"))

    def leaf(value: int) -> int:
        builder.StartObject(1)
        builder.PrependInt32Slot(0, value, 0)
        return int(builder.EndObject())

    leaves = [leaf(value) for value in (5, 6, 7)]
    numbers = builder.CreateNumpyVector(np.array([1, 2, 3], "<i4"))
    builder.StartVector(4, 2, 4)
    for offset in reversed(leaves[1:]):
        builder.PrependUOffsetTRelative(offset)
    tables = builder.EndVector()
    builder.StartVector(4, 2, 4)
    builder.PrependUOffsetTRelative(second)
    builder.PrependUOffsetTRelative(first)
    texts = builder.EndVector()
    builder.StartObject(7)
    builder.PrependInt32Slot(0, -7, 0)
    for slot, offset in ((1, name), (2, numbers), (3, leaves[0]), (4, tables), (5, texts)):
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def test_reads_what_the_official_writer_wrote() -> None:
    root = Table.root(sample())
    assert root.integer(0) == -7
    assert root.text(1) == "näme"
    assert root.integers(2) == (1, 2, 3)
    child = root.table(3)
    assert child is not None
    assert child.integer(0) == 5
    assert [table.integer(0) for table in root.tables(4)] == [6, 7]
    assert list(root.texts(5)) == ["a", "bc"]


def test_absent_fields_have_their_defaults() -> None:
    root = Table.root(sample())
    assert root.integer(6, default=9) == root.integer(99, default=9) == 9
    assert root.table(6) is None
    assert root.raw(6) is None
    assert root.text(6) == ""
    assert list(root.tables(6)) == [] == list(root.texts(6))


def read_everything(data: bytes) -> None:
    root = Table.root(data)
    root.integer(0)
    root.text(1, strict=True)
    root.integers(2)
    root.table(3)
    for table in root.tables(4):
        table.integer(0)
    list(root.texts(5))


def test_every_truncation_ends_in_one_kind_of_error() -> None:
    good = sample()
    for length in range(len(good)):
        try:
            read_everything(good[:length])
        except DamagedModelError:
            continue


def test_random_damage_ends_in_one_kind_of_error() -> None:
    good, source, refused = sample(), random.Random(1), 0
    for _ in range(3000):
        damaged = bytearray(good)
        for _ in range(source.choice((1, 2, 8))):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            read_everything(bytes(damaged))
        except DamagedModelError:
            refused += 1
    assert refused > 1000


def test_a_name_that_is_no_text_is_refused_only_where_it_matters() -> None:
    data = sample().replace("ä".encode(), b"\xff\xff")
    assert Table.root(data).text(1).startswith("n")
    with pytest.raises(DamagedModelError, match="not text"):
        Table.root(data).text(1, strict=True)


def test_lists_that_overlap_run_into_the_budget() -> None:
    # One table whose only field is a list of a million entries, all pointing to one table.
    count = 1_000_000
    head = struct.pack("<IHHHHi", 12, 6, 8, 4, 0, 8) + struct.pack("<I", 4)
    body = struct.pack("<I", count)
    data = head + body + bytes(4 * count)
    root = Table.root(data)
    with pytest.raises(DamagedModelError):
        list(root.tables(0))


def test_field_lists_that_overlap_run_into_the_budget() -> None:
    # Every four bytes of the file are a table, with a field list of its own that is 16 KB long.
    filler = struct.pack("<I", 0x4000) * 100_000
    places = range(len(filler) - 4, 0x5000, -4)
    head = struct.pack("<IHHHHi", 12, 6, 8, 4, 0, 8) + struct.pack("<I", 4)
    start = len(head) + 4 + 4 * len(places)

    def listing(count: int) -> bytes:
        offsets = (start + at - len(head) - 4 - 4 * n for n, at in enumerate(places[:count]))
        listed = struct.pack(f"<I{count}I", count, *offsets)
        return (head + listed).ljust(start, b"\0") + filler

    assert len({table.start for table in Table.root(listing(100)).tables(0)}) == 100
    with pytest.raises(DamagedModelError, match="overlap"):
        list(Table.root(listing(len(places))).tables(0))


def test_trust_lifts_the_budget() -> None:
    root = Table.root(sample())
    root.trust()
    for _ in range(10_000):
        assert root.integers(2) == (1, 2, 3)
