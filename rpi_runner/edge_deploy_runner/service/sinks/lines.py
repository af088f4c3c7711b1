"""JSON lines on stdout or in a file, and a log for people; both files rotate by size."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from edge_deploy_runner.errors import OutputError

from . import ANSWER, ERROR, Notice, Sink

DEFAULT_MAX_BYTES = 10_000_000
DEFAULT_KEEP = 5


class RotatingFile:
    """A file of whole lines; at `max_bytes` it becomes NAME.1, and so on up to NAME.`keep`.

    A line that does not fit on a full disk is taken back, so that no half line stays.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep = keep
        self._descriptor = -1

    def write(self, line: str) -> None:
        """Append one line; raises `OSError`, and then nothing of it was written."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        size = self._open()
        if size and size + len(data) > self.max_bytes:
            self._rotate()
            size = self._open()
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                written += os.write(self._descriptor, data[written:])  # raises the reason
            if written < len(data):
                raise OSError("only a part of a line could be written")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self) -> int:
        """The size of the file, opened if need be, or again where somebody moved or removed it."""
        if self._descriptor >= 0:
            mine = os.fstat(self._descriptor)
            with contextlib.suppress(OSError):
                there = self.path.stat()
                if (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev):
                    return mine.st_size
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o644)
        return os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self.keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        if self.keep:
            self.path.replace(self._numbered(1))
        else:
            self.path.unlink()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class LinesSink(Sink):
    """One line a notice: of JSON, or `as_log` of words. `path` None is stdout."""

    def __init__(
        self,
        tell: Callable[[str], None],
        path: Path | None = None,
        *,
        as_log: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        keep: int = DEFAULT_KEEP,
    ) -> None:
        super().__init__("log" if as_log else "jsonl", tell)
        self._file = RotatingFile(path, max_bytes, keep) if path is not None else None
        self._line = log_line if as_log else json_line

    def open(self) -> None:
        """Make sure that the file's folder is there; raises `OutputError`."""
        if self._file is not None:
            try:
                self._file.path.parent.mkdir(parents=True, exist_ok=True)
                if self._file.path.is_dir():
                    raise IsADirectoryError(21, "it is a folder")
            except OSError as error:
                raise OutputError(
                    f"the {self.name} sink cannot write to {self._file.path}: "
                    f"{error.strerror or error}"
                ) from error

    def put(self, notice: Notice) -> None:
        """Write it at once."""
        try:
            if self._file is not None:
                self._file.write(self._line(notice))
            else:
                sys.stdout.write(self._line(notice) + "\n")
                sys.stdout.flush()
        except (OSError, ValueError) as error:  # ValueError: stdout was closed
            self.failed(getattr(error, "strerror", None) or str(error))
        else:
            self.worked()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def json_line(notice: Notice) -> str:
    """A notice as one line of JSON."""
    return json.dumps(notice.to_json(), ensure_ascii=False)


def log_line(notice: Notice) -> str:
    """A notice as one line for people; names with line breaks stay on it."""
    score = "" if notice.score is None else f" {notice.score:.3f}"
    label = notice.label or "nothing"
    words = label if notice.kind == ANSWER else f"{notice.kind} {label}"
    if notice.kind == ERROR:
        words = f"error: {notice.details.get('error', '')}"
    return " ".join(f"{notice.time} {words}{score} {notice.input}".splitlines())
