"""Frames prepared in the background while the model computes; of live ones the newest wins.

```
capture thread ─slot of one─► preparing thread ─slot of one─► the caller, who computes
```
A live source never waits: a frame that nobody has begun to prepare is replaced by the next one and
counted as dropped. What the caller gets is therefore at most one inference old. From photos and
video nothing is dropped; there the capture waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_deploy_runner.errors import BadInputError, EdgeDeployError

from .frames import Frame, FrameSource, Reports

T = TypeVar("T")
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0


@dataclass(frozen=True)
class Ready(Generic[T]):
    """One frame with what was prepared from it."""

    frame: Frame
    prepared: T


@dataclass(frozen=True)
class Refused:
    """One frame that could not be read; the ones after it come all the same."""

    frame: Frame
    error: BadInputError


@dataclass(frozen=True)
class Trouble:
    """Something is wrong with the source itself.

    `retry_s` is None for what it outlives on its own, else the seconds until it is opened again.
    """

    error: EdgeDeployError
    retry_s: float | None = None


class Stream(Generic[T]):
    """A source that runs in threads of its own; a context manager.

    `waiting` is true from a trouble with the source until it works again.
    `make_source` opens the source and is called again, with back-off, where a live or endless one
    fails and `retry` is set; else its error is raised from `take`. `prepare` is called in a thread
    of its own, `ahead` of being asked: right where the caller comes back at once; else it would
    get a frame as old as its pause. `first_retry_s` doubles up to `longest_retry_s` until frames
    come again.
    """

    def __init__(
        self,
        make_source: Callable[[Reports], FrameSource],
        prepare: Callable[[Frame], T],
        *,
        retry: bool = False,
        ahead: bool = True,
        first_retry_s: float = FIRST_RETRY_S,
        longest_retry_s: float = LONGEST_RETRY_S,
    ) -> None:
        self._make_source = make_source
        self._prepare = prepare
        self._retry = retry
        self._ahead = ahead
        self._wanted = False
        self._preparing_since: float | None = None
        self._first_retry_s = first_retry_s
        self._longest_retry_s = longest_retry_s
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._captured: Frame | None = None
        self._preparing: Frame | None = None
        self._left: Frame | None = None
        self._ready: Ready[T] | Refused | None = None
        self._troubles: list[Trouble] = []
        self._capture_ended = False
        self._capture_failure: BaseException | None = None
        self._ended = False
        self._failure: BaseException | None = None
        self._source: FrameSource | None = None
        self._alive_at = time.monotonic()
        self.waiting = False
        self._replaced = 0
        self._dropped_by_sources = 0
        self._reports = Reports(self._tell, self._recovered, self._alive)
        self._threads = [
            threading.Thread(target=self._capture, name="capture", daemon=True),
            threading.Thread(target=self._prepare_all, name="prepare", daemon=True),
        ]

    def __enter__(self) -> Stream[T]:
        self._alive_at = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, wait_s: float = 3.0) -> None:
        """Stop the source; a thread that hangs in a driver is left behind after `wait_s`."""
        self._stopping.set()
        source = self._source
        if source is not None:
            source.stop()
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + wait_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def dropped(self) -> int:
        """Frames of a live source that were replaced by newer ones before anybody used them."""
        with self._changed:
            source = self._source
            return self._replaced + self._dropped_by_sources + (source.dropped if source else 0)

    @property
    def untaken(self) -> list[Frame]:
        """Frames that the source gave and that `take` has not given on; final once closed."""
        with self._changed:
            ready = self._ready.frame if self._ready is not None else None
            waiting = (ready, self._preparing, self._captured, self._left)
            return [frame for frame in waiting if frame is not None]

    @property
    def idle_s(self) -> float:
        """Seconds since the source last gave a frame, looked at its folder, or waited to retry.

        Or, where that is longer, for how long one frame is being prepared already.
        """
        now = time.monotonic()
        since = self._preparing_since
        return max(now - self._alive_at, now - since if since is not None else 0.0)

    @property
    def ended(self) -> bool:
        """Whether the source has come to its end and everything was taken."""
        with self._changed:
            return self._ended and self._ready is None and not self._troubles

    def wait_until_begun(self, timeout_s: float) -> bool:
        """Wait until the source is open, or could not be opened; whether that came in time."""
        return self._begun.wait(timeout_s)

    def take(self, timeout_s: float | None) -> Ready[T] | Refused | Trouble | None:
        """What comes next; None where nothing came in time, or where the source has ended.

        Without a time it waits for as long as it takes. Raises what ended the source, if that was
        an error.
        """
        with self._changed:
            if not self._wanted:
                self._wanted = True
                self._changed.notify_all()
            self._changed.wait_for(self._something, timeout_s)
            if self._troubles:
                return self._troubles.pop(0)
            taken, self._ready = self._ready, None
            if taken is not None:
                self._wanted = False
                self._changed.notify_all()
            elif self._ended and self._failure is not None:
                raise self._failure
            return taken

    def _something(self) -> bool:
        return bool(self._ready or self._troubles or self._ended)

    def _alive(self) -> None:
        self._alive_at = time.monotonic()

    def _recovered(self) -> None:
        self.waiting = False

    def _tell(self, error: EdgeDeployError, retry_s: float | None = None) -> None:
        self.waiting = True
        with self._changed:
            self._troubles.append(Trouble(error, retry_s))
            self._changed.notify_all()

    def _capture(self) -> None:
        failure: BaseException | None = None
        try:
            self._capture_frames()
        except BaseException as error:  # it is raised again in the caller's thread, by `take`
            failure = error
        self._begun.set()
        with self._changed:
            self._capture_failure, self._capture_ended = failure, True
            self._changed.notify_all()

    def _capture_frames(self) -> None:
        delay_s = self._first_retry_s
        while not self._stopping.is_set():
            source = self._make_source(self._reports)
            self._source = source
            if self._stopping.is_set():
                source.stop()
            try:
                with source:
                    self._begun.set()
                    for frame in source.frames():
                        delay_s = self._first_retry_s
                        self.waiting = False
                        self._hand_over(frame, source.live)
                        if self._stopping.is_set():
                            break
            except EdgeDeployError as error:
                if not self._retry or not (source.live or source.endless):
                    raise
                self._begun.set()
                # One that is there and gives nothing is not alive: then nothing feeds a watchdog.
                if not getattr(error, "hung", False):
                    self._alive()
                self._tell(error, delay_s)
                self._wait(delay_s, alive=not getattr(error, "hung", False))
                delay_s = min(2 * delay_s, self._longest_retry_s)
                continue
            finally:
                with self._changed:
                    self._dropped_by_sources += source.dropped
                    self._source = None
            return

    def _wait(self, seconds: float, alive: bool) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._stopping.is_set():
            self._stopping.wait(min(left, 0.5))
            if alive:
                self._alive()

    def _hand_over(self, frame: Frame, live: bool) -> None:
        with self._changed:
            while self._captured is not None and not live and not self._stopping.is_set():
                self._changed.wait(0.5)
                self._alive()  # it waits for the model, which has a watch of its own
            if self._captured is not None and not live:  # it is being closed
                self._left = frame
                return
            if self._captured is not None:
                self._replaced += 1
            self._captured = frame
            self._changed.notify_all()

    def _prepare_all(self) -> None:
        failure: BaseException | None = None
        try:
            self._prepare_frames()
            failure = self._capture_failure  # only after all that came before it
        except BaseException as error:
            failure = error
        with self._changed:
            self._failure, self._ended = failure, True
            self._changed.notify_all()

    def _prepare_frames(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(self._may_prepare, 0.5)
                # Not before there is room for it: until then a newer one may come.
                if self._stopping.is_set() or not self._may_prepare():
                    continue
                frame, self._captured = self._captured, None
                if frame is None:
                    if self._capture_ended:
                        return
                    continue
                self._preparing = frame
                self._changed.notify_all()
            result = self._prepare_one(frame)
            with self._changed:
                self._ready, self._preparing = result, None
                self._changed.notify_all()

    def _may_prepare(self) -> bool:
        has_work = self._captured is not None or self._capture_ended
        asked = self._ahead or self._wanted
        return (self._ready is None and has_work and asked) or self._stopping.is_set()

    def _prepare_one(self, frame: Frame) -> Ready[T] | Refused:
        self._preparing_since = time.monotonic()
        try:
            return Ready(frame, self._prepare(frame))
        except BadInputError as error:
            return Refused(frame, error)
        finally:
            self._preparing_since = None
