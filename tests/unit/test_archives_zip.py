"""The zip reader: what it reads, and what it refuses because it could be read in two ways."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from edge_deploy_android.archives.aligned_zip import ZipEntry, zip_bytes
from edge_deploy_android.archives.zip_reader import Archive, open_archive
from edge_deploy_runner.errors import BadInputError

END, LOCAL = struct.Struct("<4s4H2IH"), 30


def refused(data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        Archive(io.BytesIO(data), "sample.apk")
    assert str(caught.value).startswith("sample.apk ")
    assert "\n" not in str(caught.value)


def two_files() -> bytes:
    return zip_bytes([ZipEntry("a.txt", b"hello " * 50), ZipEntry("b.bin", b"1234", stored=True)])


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def directory_offset(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, data.rindex(b"PK\5\6") + 16)[0])


def renamed(name: str, *, length: int = 5) -> bytes:
    """A zip whose first entry has another name of the same length, in both places."""
    assert len(name) == length
    return zip_bytes([ZipEntry("X" * length, b"1")]).replace(b"X" * length, name.encode())


def test_reads_what_zipfile_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = {"a/b.txt": os.urandom(700_000), "c": b"", "d": b"zeros" + bytes(600_000)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data, zipfile.ZIP_STORED if name == "c" else None)
    with open_archive(path) as ours:
        assert {entry.name: ours.read(entry, 2**20) for entry in ours.entries} == content
        raw = path.read_bytes()
        for entry in ours.entries:
            packed = raw[entry.data_offset : entry.data_offset + entry.packed_bytes]
            unpacked = packed if entry.stored else zlib.decompress(packed, -15)
            assert unpacked == content[entry.name]


def test_content_that_ends_just_behind_a_piece() -> None:
    """The last packed byte may be taken in before the last of what it stands for has come out."""
    for size in range(2**18 - 2, 2**18 + 600):
        archive = Archive(io.BytesIO(zip_bytes([ZipEntry("a", bytes(size))])), "sample.apk")
        assert archive.read(archive.entries[0], 2**20) == bytes(size)


def test_data_descriptors_are_read(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """A stream that cannot seek, for which zipfile writes the sizes behind the data."""

        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a", b"hello " * 30)
        archive.writestr("b", b"more")
    ours = Archive(io.BytesIO(pipe.data), "sample.apk")
    assert [ours.read(entry, 999) for entry in ours.entries] == [b"hello " * 30, b"more"]
    at = pipe.data.index(b"PK\7\x08") + 8
    refused(patched(pipe.data, at, b"\xff\xff"), "sizes behind 'a' are not those in its directory")


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.zip"
    with (
        zipfile.ZipFile(path, "w") as archive,
        archive.open("a", "w", force_zip64=True) as file,
    ):
        file.write(b"wide")
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    at, size = directory_offset(data), end - directory_offset(data)
    wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, at)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    tail = END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    ours = Archive(io.BytesIO(data[:end] + wide + locator + tail), "sample.apk")
    assert ours.read(ours.entries[0], 10) == b"wide"
    refused(data[:end] + b"?" + wide[1:] + locator + tail, "64-bit end record is not where it")


@pytest.mark.parametrize("align", [4, 4096, 16384])
def test_offset_and_alignment(align: int) -> None:
    data = zip_bytes(
        [ZipEntry("x", b"!"), ZipEntry("lib.so", b"content", stored=True, align=align)]
    )
    entry = Archive(io.BytesIO(data), "sample.apk").by_name["lib.so"]
    assert entry.alignment >= align
    assert data[entry.data_offset :].startswith(b"content")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../ab", "leads out"), ("a/../", "leads out"), ("/etc1", "absolute path"),
        ("C:/ab", "absolute path"), ("..\\ab", "backslash"), ("ab\0cd", "zero byte"),
    ],
)  # fmt: skip
def test_names_that_leave_their_folder(name: str, fault: str) -> None:
    refused(renamed(name), fault)


def test_a_name_twice() -> None:
    data = zip_bytes([ZipEntry("aaaa", b"1"), ZipEntry("bbbb", b"2")])
    refused(data.replace(b"bbbb", b"aaaa"), "'aaaa' is in it twice")


def test_a_name_that_is_no_utf8() -> None:
    refused(zip_bytes([ZipEntry("aaaa", b"1")]).replace(b"aaaa", b"\xff\xfeaa"), "not UTF-8")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, world, this is text" * 9, "is no zip, and so no APK, AAB or AAR"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "is a TFLite model by its content"),
        (END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0), "a zip with nothing in it"),
        (two_files()[:-30], "it is a zip that is cut off"),
        (two_files()[:-3], "its last record is cut off"),
        (two_files() + b"more", "4 bytes lie behind its end"),
        (b"#!/bin/sh\n" + two_files(), "directory is not where its end record says"),
        (two_files().replace(b"PK\1\2", b"PK\1\3", 1), "directory is damaged at entry 0"),
    ],
)  # fmt: skip
def test_what_is_no_whole_zip(data: bytes, words: str) -> None:
    refused(data, words)


def test_a_directory_with_more_than_its_entries() -> None:
    data = two_files()
    end = data.rindex(b"PK\5\6")
    fewer = patched(data, end + 8, struct.pack("<HH", 1, 1))
    refused(fewer, "bytes of its directory belong to no entry")
    refused(patched(data, end + 8, struct.pack("<HH", 9, 9)), "too small for 9 entries")


def test_bytes_before_the_first_entry() -> None:
    prefix, data = b"#!/bin/sh\n", two_files()
    at, end = directory_offset(data), data.rindex(b"PK\5\6")
    moved = bytearray(prefix + data)
    struct.pack_into("<I", moved, len(prefix) + end + 16, at + len(prefix))
    place = len(prefix) + at
    for _ in range(2):
        (offset,) = struct.unpack_from("<I", moved, place + 42)
        struct.pack_into("<I", moved, place + 42, offset + len(prefix))
        place += 46 + sum(struct.unpack_from("<3H", moved, place + 28))
    assert zipfile.ZipFile(io.BytesIO(bytes(moved))).testzip() is None
    refused(bytes(moved), "other bytes lie before its first entry")


def test_a_second_end_in_a_comment() -> None:
    data = two_files()
    end = data.rindex(b"PK\5\6")
    hidden = END.pack(b"PK\5\6", 0, 0, 0, 0, 0, end + 22, 0)
    outer = patched(data, end + 20, struct.pack("<H", len(hidden)))
    refused(outer + hidden, "two ends")
    fine = patched(data, end + 20, struct.pack("<H", 5)) + b"hello"
    assert len(Archive(io.BytesIO(fine), "sample.apk").entries) == 2


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (8, b"\1\0", "is encrypted"),
        (10, b"\x0c\0", "packed by method 12"),
        (24, b"\xfe\xff\xff\xff", "declares 4.3 GB, above the 2 GiB allowed"),
        (24, b"\0\0\0\x10", "declares more than its packed bytes can hold"),
        (20, b"\0\0\0\x10", "declares more bytes than the file has"),
        (42, b"\7\0\0\0", "no header is where its directory says that 'a.txt' begins"),
        (16, b"\0\0\0\0", "the header of 'a.txt' disagree"),
    ],
)
def test_a_directory_that_is_not_true(place: int, new: bytes, words: str) -> None:
    data = two_files()
    refused(patched(data, directory_offset(data) + place, new), words)


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (8, b"\0\0", "the header of 'a.txt' disagree"),
        (22, b"\1\0\0\0", "the header of 'a.txt' disagree"),
        (30, b"z", "give it different names"),
        (28, b"\xff\xff", "reaches into the directory"),
        (28, b"\x20\0", "overlaps the entry before it|reaches into the directory"),
    ],
)
def test_a_header_that_disagrees(place: int, new: bytes, words: str) -> None:
    refused(patched(two_files(), place, new), words)


def test_entries_on_top_of_each_other() -> None:
    data = zip_bytes([ZipEntry("aaaa", b"1"), ZipEntry("bbbb", b"2")])
    second = directory_offset(data) + 46 + 4
    one_place = patched(data, second + 42, bytes(4)).replace(b"bbbb", b"aaaa")
    refused(one_place, "'aaaa' is in it twice")
    inner = zip_bytes([ZipEntry("bbbb", b"2")])  # a whole entry within the data of another
    outer = zip_bytes([ZipEntry("aaaa", inner[:35], stored=True), ZipEntry("bbbb", b"2")])
    second = directory_offset(outer) + 46 + 4
    inside = struct.pack("<I", outer.index(inner[:35]))
    refused(patched(outer, second + 42, inside), "'bbbb' overlaps the entry before")


def content_refused(data: bytes, words: str, limit: int = 2**20) -> None:
    archive = Archive(io.BytesIO(data), "sample.apk")
    with pytest.raises(BadInputError, match=words):
        archive.read(archive.entries[0], limit)


def lying(size: int, packed: bytes) -> bytes:
    """A zip of one deflated entry that declares a size of its own choice."""
    shared = struct.pack("<5H3I", 20, 0, 8, 0, 33, 0, len(packed), size)
    local = b"PK\3\4" + shared + struct.pack("<2H", 1, 0) + b"a" + packed
    central = b"PK\1\2" + struct.pack("<H", 20) + shared
    central += struct.pack("<5H2I", 1, 0, 0, 0, 0, 0, 0) + b"a"
    return local + central + END.pack(b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)


def test_a_bomb_is_not_unpacked() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(2**20)) for _ in range(64)) + deflater.flush()
    content_refused(lying(1000, bomb), "'a' unpacks to more than it declares")
    content_refused(lying(64 * 2**20, bomb), "larger than the 1048576 bytes that one may be")
    content_refused(lying(64 * 2**20, bomb), "the content of 'a' is damaged", 2**28)  # the CRC


def bare_deflate(data: bytes) -> bytes:
    """As in archives; `zlib.compress` takes no `wbits` before Python 3.11."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def test_damaged_content() -> None:
    data = two_files()
    content_refused(patched(data, LOCAL + 5, b"\xff\xff\xff"), "the content of 'a.txt' is damaged")
    content_refused(lying(5, b"\xff" * 20), "the content of 'a' is damaged")
    hello = bare_deflate(b"hello")
    content_refused(lying(5, hello + bytes(9)), "the content of 'a' is damaged")
    content_refused(lying(5, hello + bytes(2**19)), "more bytes lie behind the content of 'a'")
    cut_off = bare_deflate(b"hello, world")[:-2]
    content_refused(lying(12, cut_off), "the content of 'a' is damaged")


def test_more_content_than_any_app_has() -> None:
    shared = struct.pack("<5H3I", 20, 0, 8, 0, 33, 0, 2**21, 2**30 + 2**29)
    local = central = b""
    for name in (b"a", b"b", b"c"):
        header = b"PK\3\4" + shared + struct.pack("<2H", 1, 0) + name + bytes(2**21)
        central += b"PK\1\2" + struct.pack("<H", 20) + shared
        central += struct.pack("<5H2I", 1, 0, 0, 0, 0, 0, len(local)) + name
        local += header
    end = END.pack(b"PK\5\6", 0, 0, 3, 3, len(central), len(local), 0)
    refused(local + central + end, "declares 4.8 GB of content, above the 4 GiB allowed")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.apk")
    for path, words in (
        (tmp_path / "none.apk", "there is no file at"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.apk", "is no file"),
        ("a\0b.apk", "cannot be read"),
    ):
        with pytest.raises(BadInputError, match=words), open_archive(path):
            pass
