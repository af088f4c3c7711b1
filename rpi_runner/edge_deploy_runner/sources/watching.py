"""Watch a folder: photos are given as soon as they are whole, each once for each time it changes.

Only times and sizes of one file are compared with each other, never with the clock: a Pi without
a network wakes up in 1970.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.photos import is_photo_name
from edge_deploy_runner.preprocessing import open_photo

from .frames import (
    EXISTING,
    Decode,
    Frame,
    FrameSource,
    Look,
    Picture,
    Reports,
    SeenFiles,
)  # fmt: skip

# A file that was given and is then written again is noticed, but not all of them at every poll.
_LOOKS_A_POLL = 500
# A folder whose own time has not changed is listed all the same so often: FAT and network folders
# are slow to tell.
_LIST_S = 2.0


@dataclass
class _Growing:
    """A file that is not known to be whole: how it last looked, since when, and when tried."""

    look: Look
    since: float
    tried: bool = False


class WatchedFolder(FrameSource):
    """Photos that appear in a folder itself, not in those below it.

    `existing`: "skip" or "process" what is there when the watch begins. A file is given once its
    size and time have stood still for `settle_s` and it decodes to its end; one that still does
    not after `give_up_s` is given as a frame whose image raises `BadInputError`. Hidden files and
    other suffixes are passed over. A folder that vanishes is reported once and waited for.
    """

    endless = True

    def __init__(
        self,
        folder: Path,
        reports: Reports | None = None,
        existing: str = "skip",
        give_up_s: float = 60.0,
        settle_s: float = 0.4,
        poll_s: float = 0.2,
        decode: Decode = open_photo,
        seen: SeenFiles | None = None,
    ) -> None:
        super().__init__(f"watch:{folder}", reports or Reports())
        if existing not in EXISTING:
            raise UsageError(f"existing is {existing!r}; use one of {', '.join(EXISTING)}")
        self.folder = folder
        self.existing = existing
        self.give_up_s = give_up_s
        self.settle_s = settle_s
        self.poll_s = poll_s
        self._decode = decode
        self._seen = seen or SeenFiles()
        self._growing: dict[str, _Growing] = {}
        self._turn = 0
        self._gone = False
        self._present: list[str] = []
        self._changed_ns = -1
        self._listings_due = 0
        self._listed_at = -_LIST_S

    def open(self) -> None:
        """Look at the folder once; raises `BadInputError` where there is none."""
        try:
            is_folder = self.folder.is_dir()
        except OSError as error:
            raise BadInputError(
                f"{self.folder} cannot be looked into ({error.strerror}); let this user in (a "
                "service that systemd runs sees no home folders), or watch another"
            ) from error
        if not is_folder:
            raise BadInputError(f"there is no folder at {self.folder} to watch; make it first")
        if self.existing == "skip" and not self._seen.begun:
            for name in self._names() or ():
                look = self._look(name)
                if look is not None:
                    self._seen.files[name] = look
        self._seen.begun = True

    def frames(self) -> Iterator[Frame]:
        """Photos in the order in which they become whole; those found together by their names."""
        number = 0
        while not self.stopped.is_set():
            self._poll()
            self.reports.alive()
            now = time.monotonic()  # of one pass: what was found together stays in order
            for name in sorted(self._growing):
                if self.stopped.is_set():
                    return
                frame = self._try(name, number, now)
                if frame is not None:
                    yield frame
                    number += 1
                    self.reports.alive()
            self.stopped.wait(self.poll_s)

    def _names(self) -> list[str] | None:
        """Photos in the folder by name; None, after a report, while it is gone."""
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if is_photo_name(entry.name)]
        except OSError as error:
            if not self._gone:
                self._gone = True
                reason = error.strerror or str(error)
                self.reports.problem(
                    BadInputError(
                        f"the watched folder {self.folder} is gone ({reason}); waiting for it to "
                        "come back"
                    )
                )
            return None
        if self._gone:
            self._gone = False
            self.reports.recovered()
        return names

    def _look(self, name: str) -> Look | None:
        try:
            found = (self.folder / name).stat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _listing_is_due(self) -> bool:
        """Whether names may have come or gone; thousands of them are not read for nothing."""
        try:
            changed_ns = self.folder.stat().st_mtime_ns
        except OSError:
            return True
        if changed_ns != self._changed_ns:
            # Times are coarse: right after a change another one may not show. It is listed twice.
            self._changed_ns, self._listings_due = changed_ns, 2
        now = time.monotonic()
        if not self._listings_due and now - self._listed_at < _LIST_S:
            return False
        self._listings_due = max(0, self._listings_due - 1)
        self._listed_at = now
        return True

    def _poll(self) -> None:
        fresh: list[str] = []
        done = self._seen.files
        if self._listing_is_due():
            names = self._names()
            if names is None:
                return
            present = set(names)
            done = {name: look for name, look in done.items() if name in present}
            self._seen.files = done
            self._growing = {name: it for name, it in self._growing.items() if name in present}
            fresh = [name for name in names if name not in done]
            self._present = sorted(done)
        again = self._present
        if again:
            start = self._turn % len(again)
            again = again[start : start + _LOOKS_A_POLL]
            self._turn = start + len(again)
        now = time.monotonic()
        for name in dict.fromkeys((*fresh, *self._growing, *again)):
            look = self._look(name)
            if look is None or done.get(name) == look:
                continue
            done.pop(name, None)
            waiting = self._growing.get(name)
            if waiting is None or waiting.look != look:
                self._growing[name] = _Growing(look, now)

    def _try(self, name: str, number: int, now: float) -> Frame | None:
        waiting = self._growing[name]
        quiet_s = now - waiting.since
        if quiet_s < self.settle_s:
            return None
        late = quiet_s >= self.give_up_s
        if waiting.tried and not late:
            return None  # it has not changed since it failed to decode
        path = self.folder / name
        image: Picture | None = None
        reason = ""
        start = time.perf_counter_ns()
        try:
            image = self._decode(path)
        except BadInputError as error:
            reason = str(error)
        look = self._look(name)
        if look is None:  # taken away meanwhile
            self._growing.pop(name, None)
            return None
        if look != waiting.look:  # it grew while it was decoded
            self._growing[name] = _Growing(look, time.monotonic())
            return None
        if image is None and not late:
            waiting.tried = True
            return None
        if self.stopped.is_set():  # nobody waits for it any more; the next watch gives it
            return None
        del self._growing[name]
        self._seen.files[name] = look
        if image is not None:
            taken_ns = time.perf_counter_ns() - start
            return Frame(str(path), image, number, time.monotonic(), path, taken_ns)

        def refuse() -> Picture:
            raise BadInputError(
                f"{path} was not whole {self.give_up_s:g} s after it last changed: {reason}"
            )

        return Frame(str(path), refuse, number, time.monotonic(), path)
