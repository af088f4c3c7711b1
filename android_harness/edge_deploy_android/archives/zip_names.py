"""Which names a zip's entries may have: none that leaves the folder it would be unpacked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


def check_names(names: list[str], refuse: Callable[[str], NoReturn]) -> None:
    """Refuse names that are absolute, climb out of their folder, or are there twice."""
    seen: set[str] = set()
    for name in names:
        fault = name_fault(name)
        if fault:
            refuse(f"the name {name[:120]!r} in it {fault}")
        if name in seen:
            refuse(f"{name[:120]!r} is in it twice, and Android refuses such an archive")
        seen.add(name)


def name_fault(name: str) -> str | None:
    """What is wrong with an entry's name; None where nothing is."""
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a zero byte"
    if "\\" in name:
        return "holds a backslash, a way out of the folder on Windows"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        return "is an absolute path"
    if ".." in name.split("/"):
        return "leads out of the archive's folder"
    return None
