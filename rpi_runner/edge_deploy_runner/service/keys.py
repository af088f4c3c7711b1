"""Reading one table of a configuration file, where every wrong value is a clear sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from edge_deploy_runner.errors import BadInputError

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


class Keys:
    """One table of the file: takes values out by key and type, and knows what is left over.

    Every wrong value raises `BadInputError` with the file, the key and what would be right.
    """

    def __init__(self, where: str, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self.where = where
        self.values = values
        for key in values:
            if key not in known:
                raise BadInputError(
                    f"{where}: unknown key {key!r}; valid keys: {', '.join(sorted(known))}"
                )

    def wrong(self, key: str, wanted: str) -> BadInputError:
        """The error for a value that is not what was wanted."""
        return BadInputError(f"{self.where}: {key} is {self.values[key]!r}; give {wanted}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; without a default it has to be there."""
        if key not in self.values:
            if default is None:
                raise BadInputError(f"{self.where}: {key} is missing")
            return default
        value = self.values[key]
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is absent."""
        return self.text(key) if key in self.values else None

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def integer(self, key: str, default: int, lowest: int, highest: int) -> int:
        """A whole number in a range."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise self.wrong(key, f"a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float | None:
        """A number in a range, or None where the key is absent."""
        if key not in self.values:
            return None
        value = self.values[key]
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not lowest <= value <= highest:
            raise self.wrong(key, f"a number from {lowest:g} to {highest:g}")
        return float(value)

    def seconds(self, key: str, default: float) -> float:
        """A time such as "5 s" in seconds."""
        value = self.values.get(key)
        if value is None:
            return default
        seconds = parse_quantity(value, _SECONDS)
        if seconds is None:
            raise self.wrong(key, f'a time such as "5 s", in {", ".join(_SECONDS)}')
        return seconds

    def bytes(self, key: str) -> int | None:
        """A size such as "200 MB" in bytes, or None where the key is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        size = parse_quantity(value, _BYTES)
        if size is None or size < 1:
            raise self.wrong(key, f'a size such as "200 MB", in {", ".join(_BYTES)}')
        return int(size)

    def table(self, key: str, known: tuple[str, ...]) -> Keys:
        """A table below this one; an empty one where it is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"a table, [{key}]")
        return Keys(f"{self.where}, [{key}]", value, known)


def parse_quantity(text: object, units: Mapping[str, float]) -> float | None:
    """The number that "200 MB" means in the smallest unit; None for what is no such text."""
    if not isinstance(text, str):
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None or match.group(2) not in units:
        return None
    value = float(match.group(1)) * units[match.group(2)]
    return value if math.isfinite(value) else None
