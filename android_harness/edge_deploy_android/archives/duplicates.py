"""What an archive holds twice: classes, and files of the same content."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .class_names import LARGEST_CODE, dex_classes, is_container, jar_classes
from .zip_reader import Archive

_DEX = re.compile(r"((?:[^/]+/)?(?:dex/)?)classes\d*\.dex")
_EXAMPLES = 5


@dataclass(frozen=True)
class Duplicate:
    """Something that is there more than once.

    `kind` is "class" (all those of one package in the same two or more files) or "content" (files
    of one sha256); `examples` are the first few names; `where` the files it is in.
    """

    kind: str
    name: str
    count: int
    examples: tuple[str, ...]
    where: tuple[str, ...]


@dataclass(frozen=True)
class Classes:
    """The classes of an archive: how many, the packages they are in, what is defined twice.

    `skipped` are dex files of a version that is not read.
    """

    count: int
    packages: frozenset[str]
    duplicates: tuple[Duplicate, ...]
    skipped: tuple[str, ...] = ()


def read_classes(archive: Archive, kind: str) -> Classes:
    """Every class that an archive of a kind ("apk", "aab", "aar") defines.

    Raises `BadInputError` where a dex file or jar in it is damaged.
    """
    places: dict[str, list[str]] = defaultdict(list)
    skipped = []
    for entry in archive.entries:
        if len(places) > 2_000_000:
            break
        is_jar = kind == "aar" and re.fullmatch(r"classes\.jar|libs/[^/]+\.jar", entry.name)
        if not is_jar and not (kind != "aar" and _DEX.fullmatch(entry.name)):
            continue
        data = archive.read(entry, LARGEST_CODE)
        if not is_jar and is_container(data):
            skipped.append(entry.name)
            continue
        for name in (jar_classes if is_jar else dex_classes)(
            data, f"{entry.name} in {archive.name}"
        ):
            places[name].append(entry.name)
    twice = {name: files for name, files in places.items() if len(files) > 1}
    packages = frozenset(name.rpartition(".")[0] for name in places)
    return Classes(len(places), packages, tuple(_grouped(twice)), tuple(skipped))


def same_content(files: Iterable[tuple[str, int, str]]) -> list[Duplicate]:
    """Files, as (path, bytes, sha256), whose content is there twice under other names."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for path, size, sha256 in files:
        if size:
            by_digest[sha256].append(path)
    return [
        Duplicate("content", paths[0], len(paths), tuple(paths[:_EXAMPLES]), tuple(paths))
        for paths in by_digest.values()
        if len(paths) > 1
    ]


def _grouped(twice: Mapping[str, list[str]]) -> Iterable[Duplicate]:
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for name, files in twice.items():
        groups[name.rpartition(".")[0], tuple(files)].append(name)
    for (package, where), names in sorted(groups.items()):
        yield Duplicate("class", package, len(names), tuple(sorted(names)[:_EXAMPLES]), where)
