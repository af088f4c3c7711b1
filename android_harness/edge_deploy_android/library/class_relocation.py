"""Moving compiled Java classes to another package, without a JDK.

Everything that names a class lies in a class file's constant pool, and is found there by what
refers to it: class names, descriptors, signatures, and strings. Indices stay as they are, so the
code is not touched. Names as the JVM specification (chapter 4) has them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_deploy_runner.errors import BundleError

_MAGIC = b"\xca\xfe\xba\xbe"
_UTF8, _CLASS, _STRING, _NAME_AND_TYPE, _METHOD_TYPE = 1, 7, 8, 12, 16
# Bytes after the tag, of those whose length is fixed; long and double take two places.
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4}
_WIDE = (5, 6)
_LONGEST = 0xFFFF
_KOTLIN = b"Lkotlin/Metadata;"
# No bytes of a class file's text: they stand for the package until all of it has been looked at.
_SLASHED, _DOTTED = b"\xff", b"\xfe"
_IN_NAMES = rb"A-Za-z0-9_$"


@dataclass
class _Pool:
    """A constant pool: the text of each UTF-8 entry by index, and what refers to it as what."""

    texts: dict[int, bytes] = field(default_factory=dict)
    positions: dict[int, tuple[int, int]] = field(default_factory=dict)
    class_names: set[int] = field(default_factory=set)
    descriptors: set[int] = field(default_factory=set)
    strings: set[int] = field(default_factory=set)
    names: set[int] = field(default_factory=set)


def relocate_class(
    data: bytes, old: str, new: str, strings: Mapping[str, str] | None = None
) -> bytes:  # fmt: skip
    """A class file whose references to package `old`, and those below it, lead to `new`.

    Packages are dotted. `strings` maps whole string constants to others. Raises `BundleError` for
    what is no class file, was compiled from Kotlin (whose metadata holds names in a form of its
    own), or where a name would remain.
    """
    try:
        pool = _read_pool(data)
    except (struct.error, IndexError, KeyError, UnicodeError) as error:
        raise BundleError(f"a class file is damaged ({type(error).__name__}: {error})") from error
    if _KOTLIN in pool.texts.values():
        raise BundleError("a class compiled from Kotlin cannot be moved to another package")
    move = _Move(old, new)
    replaced = {key.encode(): value.encode() for key, value in (strings or {}).items()}
    pieces, done = [], 0
    for index, text in pool.texts.items():
        moved = _moved_text(pool, index, text, move, replaced)
        if len(moved) > _LONGEST:
            raise BundleError(f"the package name {new} is too long for a class file")
        start, end = pool.positions[index]
        pieces += [data[done:start], struct.pack(">H", len(moved)), moved]
        done = end
    return b"".join([*pieces, data[done:]])


def string_constants(data: bytes) -> set[str]:
    """The string constants of a class file; those that are no plain text are left out."""
    pool = _read_pool(data)
    found = (pool.texts[index] for index in pool.strings)
    return {text.decode("ascii") for text in found if text.isascii()}


def relocate_path(path: str, old: str, new: str) -> str:
    """Where a file of a jar or source tree belongs, given as `java/old/package/File.java`."""
    before, after = old.replace(".", "/"), new.replace(".", "/")
    return re.sub(rf"(^|/){re.escape(before)}/", lambda found: f"{found[1]}{after}/", path, count=1)


def relocate_source(text: str, old: str, new: str) -> str:
    """Java or Kotlin source, or ProGuard rules, with package `old` named `new`."""
    return re.sub(rf"(?<![\w$.]){re.escape(old)}(?![\w$])", lambda _: new, text)


def _read_pool(data: bytes) -> _Pool:
    if data[:4] != _MAGIC:
        raise BundleError("what should be a class file is none")
    (count,) = struct.unpack_from(">H", data, 8)
    pool = _Pool()
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == _UTF8:
            (length,) = struct.unpack_from(">H", data, at + 1)
            text = data[at + 3 : at + 3 + length]
            if len(text) != length:
                raise IndexError("the constant pool ends early")
            pool.texts[index] = text
            pool.positions[index] = (at + 1, at + 3 + length)
            at += 3 + length
        elif tag in _SIZES:
            _note(pool, tag, data, at + 1)
            at += 1 + _SIZES[tag]
        else:
            raise BundleError(f"a class file has a constant of kind {tag}, which is not understood")
        index += 2 if tag in _WIDE else 1
    for role in (pool.class_names, pool.descriptors, pool.strings, pool.names):
        if not role <= pool.texts.keys():
            raise KeyError("a constant refers to text that is not there")
    return pool


def _note(pool: _Pool, tag: int, data: bytes, at: int) -> None:
    first, second = struct.unpack_from(">HH", data, at)
    if tag == _CLASS:
        pool.class_names.add(first)
    elif tag == _STRING:
        pool.strings.add(first)
    elif tag == _METHOD_TYPE:
        pool.descriptors.add(first)
    elif tag == _NAME_AND_TYPE:
        pool.names.add(first)
        pool.descriptors.add(second)


def _moved_text(
    pool: _Pool, index: int, text: bytes, move: _Move, replaced: Mapping[bytes, bytes]
) -> bytes:
    roles: list[Callable[[bytes], bytes]] = []
    if index in pool.class_names:
        roles.append(move.class_name)
    if index in pool.descriptors:
        roles.append(move.signature)
    if index in pool.strings:
        if text in replaced and not roles and index not in pool.names:
            return replaced[text]
        roles.append(move.words)
    if index in pool.names:
        roles.append(lambda text: text)
    if not roles:
        # Fields', methods' and local variables' types, signatures and annotations: attributes
        # refer to them, and the texts tell by themselves which of these they are.
        roles.append(move.type_or_words)
    results = {role(text) for role in roles}
    if len(results) != 1:
        raise BundleError(f"the class file uses the text {text!r} for two things at once")
    return move.finish(results.pop())


class _Move:
    """The rewriting of one text, by what it is."""

    def __init__(self, old: str, new: str) -> None:
        self.slashed, self.dotted = old.replace(".", "/").encode(), old.encode()
        self.new_slashed, self.new_dotted = new.replace(".", "/").encode(), new.encode()
        either = b"|".join(re.escape(text) for text in (self.slashed, self.dotted))
        self._words = re.compile(rb"(?<![./%s])(?:%s)(?![%s])" % (_IN_NAMES, either, _IN_NAMES))

    def finish(self, text: bytes) -> bytes:
        """Put the new package in; raises `BundleError` where the old one is left."""
        if self.slashed + b"/" in text or self._words.search(text):
            raise BundleError(f"the class file names its package in {text!r}, where it must stay")
        return text.replace(_SLASHED, self.new_slashed).replace(_DOTTED, self.new_dotted)

    def class_name(self, name: bytes) -> bytes:
        """A class by its internal name, or an array by its descriptor."""
        if name.startswith(b"["):
            return self.signature(name)
        return self._prefix(name)

    def _prefix(self, name: bytes) -> bytes:
        if name.startswith(self.slashed + b"/"):
            return _SLASHED + name[len(self.slashed) :]
        return name

    def words(self, text: bytes) -> bytes:
        """A string, in which classes may be named with dots or slashes."""
        return self._words.sub(
            lambda found: _SLASHED if found[0] == self.slashed else _DOTTED, text
        )

    def type_or_words(self, text: bytes) -> bytes:
        """A descriptor or signature if it reads as one, else a string."""
        if self.slashed not in text:
            return self.words(text)
        try:
            return self.signature(text)
        except BundleError:
            return self.words(text)

    def signature(self, text: bytes) -> bytes:
        """A descriptor, or a generic signature of a class, method or field."""
        if self.slashed not in text:
            return text
        return _SignatureReader(text, self._prefix).read()


class _SignatureReader:
    """Walks a signature by its grammar (JVM specification 4.7.9.1), rewriting the class names."""

    def __init__(self, text: bytes, rename: Callable[[bytes], bytes]) -> None:
        self.text, self.at, self.rename = text, 0, rename
        self.made: list[bytes] = []

    def read(self) -> bytes:
        if self._peek() == b"<":
            self._type_parameters()
        if self._peek() == b"(":
            self._take()
            while self._peek() != b")":
                self._type()
            self._take()
            self._type()
            while self._peek() == b"^":
                self._take()
                self._type()
        else:
            # One type of a field; a superclass and interfaces of a class.
            while self.at < len(self.text):
                self._type()
        if self.at != len(self.text):
            raise self._error()
        return b"".join(self.made)

    def _peek(self) -> bytes:
        return self.text[self.at : self.at + 1]

    def _take(self) -> bytes:
        found = self._peek()
        if not found:
            raise self._error()
        self.made.append(found)
        self.at += 1
        return found

    def _name(self, ends: bytes) -> bytes:
        found = re.compile(rb"[^%s]+" % re.escape(ends)).match(self.text, self.at)
        if found is None or found.end() == len(self.text):
            raise self._error()
        self.at = found.end()
        return found[0]

    def _type(self) -> None:
        kind = self._take()
        if kind in b"BCDFIJSZV":
            return
        if kind == b"[":
            self._type()
        elif kind == b"T":
            self.made.append(self._name(b";:<>()["))
            self._expect(b";")
        elif kind == b"L":
            self.made.append(self.rename(self._name(b";<.")))
            self._class_ending()
        else:
            raise self._error()

    def _class_ending(self) -> None:
        while True:
            mark = self._take()
            if mark == b";":
                return
            if mark == b"<":
                while self._peek() != b">":
                    self._argument()
                self._take()
            elif mark == b".":
                self.made.append(self._name(b";<."))
            else:
                raise self._error()

    def _argument(self) -> None:
        if self._peek() == b"*":
            self._take()
            return
        if self._peek() in (b"+", b"-"):
            self._take()
        self._type()

    def _type_parameters(self) -> None:
        self._take()
        while self._peek() != b">":
            self.made.append(self._name(b":;<>()["))
            self._expect(b":")
            if self._peek() not in (b":", b">"):
                self._type()  # absent where the first bound is an interface
            while self._peek() == b":":
                self._take()
                self._type()
        self._take()

    def _expect(self, mark: bytes) -> None:
        if self._take() != mark:
            raise self._error()

    def _error(self) -> BundleError:
        return BundleError(f"the class file's signature {self.text!r} is not understood")
