"""Typed values out of JSON that somebody else may have written; refusals name file and key."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import BadInputError

EVIDENCE = ("measured", "simulated", "predicted", "user", "unknown")


def read_json_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file; raises `BadInputError` where there is none."""
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInputError(f"{path} is a folder, not a JSON file; name the file in it")
        if path.is_char_device():
            raise BadInputError(f"{path} is no file; name a JSON file")
        content = path.read_bytes()
        if content[4:8] == b"TFL3":
            raise BadInputError(
                f"{path} is a model, not a JSON file; name what a command wrote about it, such as "
                "`edge-deploy profile MODEL -o FILE`"
            )
        document = json.loads(content.decode("utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"there is no file at {path}; check the path") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{path} holds no JSON object")
    return document


_MISSING: Any = object()


class Reader:
    """Takes typed values out of a JSON object; every refusal names the file and the key."""

    def __init__(self, values: Mapping[str, Any], origin: str, prefix: str = "") -> None:
        self.values = dict(values)
        self._origin = origin
        self._prefix = prefix

    def failure(self, key: str, what: str) -> BadInputError:
        """The error that says what is wrong with a key."""
        return BadInputError(f'{self._origin}: "{self._prefix}{key}" {what}')

    def _get(self, key: str, default: Any) -> Any:
        value = self.values.get(key, default)
        if value is _MISSING:
            raise self.failure(key, "is missing")
        return value

    def number(
        self, key: str, default: Any = _MISSING, smallest: float = 0.0, largest: float = math.inf
    ) -> float:
        """A finite number within bounds."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.failure(key, f"is {value!r}, not a number")
        if not math.isfinite(value):
            raise self.failure(key, f"is {value}, which is no measured value")
        if value < smallest or value > largest:
            raise self.failure(key, f"is {value}, which cannot be")
        return float(value)

    def optional_number(self, key: str, smallest: float = 0.0) -> float | None:
        """A finite number, or None where there is none."""
        return None if self.values.get(key) is None else self.number(key, smallest=smallest)

    def integer(self, key: str, default: Any = _MISSING) -> int:
        """A whole number that is not negative."""
        value = self.number(key, default)
        if value != int(value):
            raise self.failure(key, f"is {value}, not a whole number")
        return int(value)

    def optional_integer(self, key: str) -> int | None:
        """A whole number, or None where there is none."""
        return None if self.values.get(key) is None else self.integer(key)

    def text(self, key: str, default: Any = _MISSING) -> str:
        """A string."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.failure(key, f"is {value!r}, not a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where there is none."""
        return None if self.values.get(key) is None else self.text(key)

    def optional_flag(self, key: str) -> bool | None:
        """True or false, or None where there is neither."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.failure(key, f"is {value!r}, not true or false")
        return value

    def evidence(self, default: Any = _MISSING) -> str:
        """The "evidence" of a figure, one of `EVIDENCE`."""
        value = self.text("evidence", default)
        if value not in EVIDENCE:
            raise self.failure("evidence", f"is {value!r}, not one of {', '.join(EVIDENCE)}")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.failure(key, "is not a list of texts")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        """A JSON object."""
        value = self._get(key, _MISSING)
        if not isinstance(value, dict):
            raise self.failure(key, "is not an object")
        return value

    def object(self, key: str) -> Reader:
        """A reader of a JSON object."""
        return Reader(self.mapping(key), self._origin, f"{self._prefix}{key}.")

    def optional_object(self, key: str) -> Reader | None:
        """A reader of a JSON object, or None for null; the key must be there."""
        return None if self._get(key, _MISSING) is None else self.object(key)

    def objects(self, key: str) -> list[Reader]:
        """Readers of a list of JSON objects."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.failure(key, "is not a list of objects")
        return [
            Reader(item, self._origin, f"{self._prefix}{key}[{number}].")
            for number, item in enumerate(value)
        ]

    def latencies(self, key: str, may_be_empty: bool = False) -> tuple[int, ...]:
        """Positive whole nanoseconds."""
        value = self._get(key, _MISSING)
        if not isinstance(value, list):
            raise self.failure(key, "is not a list of latencies")
        if not value and not may_be_empty:
            raise self.failure(key, "is empty: nothing was measured")
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int) or item <= 0:
                raise self.failure(key, f"holds {item!r}, which is no latency in nanoseconds")
        return tuple(value)
