"""The service itself: frames in, answers and events out, for months.

`serve(FILE)` is the whole life: signals, reloading, the watchdog. `Service` is one configuration
at work.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.errors import DeviceError, EdgeDeployError
from edge_deploy_runner.preprocessing import open_photo
from edge_deploy_runner.sources.frames import (
    Decode,
    Frame,
    FrameSource,
    Picture,
    Reports,
    SeenFiles,
)
from edge_deploy_runner.sources.opening import open_source
from edge_deploy_runner.sources.streaming import Ready, Refused, Stream, Trouble
from edge_deploy_runner.tasks import Finding, Model, ModelInput, find, open_model, prepare_input

from .config import ServiceConfig, read_service_config
from .decisions import FIRED, State, decide
from .model_watch import Loaded, ModelWatch
from .sink_config import SinkConfig, check_sink_labels
from .sinks import ANSWER, ERROR, Notice, Sink
from .status import Journal, Status, resident_bytes, wall_clock, write_status
from .systemd import ServiceManager

_BEGIN_S = 5.0  # a camera may take its time; then it is ready all the same
_STEP_S = 0.25  # how soon a signal is noticed
_CHECK_S = 1.0  # model file and memory
_STATUS_S = 10.0
_WAITING = "waiting for the source"


@dataclass
class Wishes:
    """What signals have asked for; set in their handlers, read between frames."""

    stop: bool = False
    reload: bool = False


@dataclass(frozen=True)
class _Prepared:
    """A frame's input, and the model that it was made for."""

    loaded: Loaded
    input: ModelInput
    preprocess_ns: int


def open_configured_model(config: ServiceConfig) -> Model:
    """The model of a configuration; raises `BadInputError` where the two do not fit together."""
    model = open_model(
        config.model, config.threads, preprocessing=config.preprocessing, labels=config.labels,
        override=config.override, threshold=config.threshold, task=config.task, draft=True,
    )  # fmt: skip
    model.photo_contract()
    check_sink_labels(config.sinks, model.labels, config.model.name)
    return model


def configured_source(
    config: ServiceConfig,
    reports: Reports,
    decode: Decode = open_photo,
    seen: SeenFiles | None = None,
) -> FrameSource:
    """The source of a configuration, not opened yet."""
    return open_source(
        config.source, reports=reports, existing=config.existing, give_up_s=config.give_up_s,
        size=config.camera_size, frames_per_second=config.camera_rate,
        decode=decode, seen=seen,
    )  # fmt: skip


def describe(config: ServiceConfig) -> str:
    """What a configuration would do, in words; opens the model, but no source and no sink."""
    watch = ModelWatch(config.model, lambda: open_configured_model(config))
    model = watch.loaded.model
    source = configured_source(config, Reports())
    for sink in config.sinks:
        if not sink.in_unit_only:
            sink.make(print)  # reads a password file; opens nothing
    task = "classify" if isinstance(model, Classifier) else "detect"
    kind = "newest frame wins" if source.live else "every frame"
    if source.endless and not source.live:
        kind = f"every photo once it is whole; those there already: {config.existing}"
    lines = [
        f"model    {config.model} (sha256 {watch.loaded.sha256[:16]}), {task}, "
        f"{len(model.labels) or 'no'} labels, threads {model.loaded.threads}",
        f"source   {source.name}: {kind}",
        f"decide   {config.rule.needed} of {config.rule.window} frames, cooldown "
        f"{config.rule.cooldown_s:g} s, threshold "
        + ("none" if model.threshold is None else f"{model.threshold:g}"),
        *(
            f"sink     {sink.words}; when {', '.join(sink.when)}"
            + (f"; labels {', '.join(sink.labels)}" if sink.labels else "")
            for sink in config.sinks
        ),
    ]
    if not config.sinks:
        lines.append("sink     none: answers go nowhere; add a [[sink]]")
    limit = f"{config.memory_bytes / 1e6:g} MB" if config.memory_bytes else "none"
    lines.append(f"limits   memory {limit}, interval {config.interval_s:g} s")
    status = config.state_folder or "in the folder that systemd gives; without one, none"
    lines.append(f"status   {status}")
    lines.append(
        "network  "
        + ("mqtt sinks only" if any(s.type == "mqtt" for s in config.sinks) else "none is used")
    )
    return "\n".join(lines)


class Service:
    """One configuration at work, between `open` and `close`; it may be opened again.

    Raises `EdgeDeployError` where the model cannot be used.
    """

    def __init__(
        self,
        config: ServiceConfig,
        manager: ServiceManager,
        journal: Journal,
        status: Status,
        seen: SeenFiles | None = None,
    ) -> None:
        # The folder that `current` names now: after an install it is that of another version, whose
        # model is for that version's runner.
        folder = Path(os.path.realpath(config.model.parent))
        config = replace(config, model=folder / config.model.name)
        self.config = config
        self.manager = manager
        self.journal = journal
        self.status = status
        self.seen = seen or SeenFiles()
        self.watch = ModelWatch(config.model, lambda: open_configured_model(config))
        self._sinks: list[tuple[SinkConfig, Sink]] = []
        self._stream: Stream[_Prepared] | None = None
        self._state = State()
        self._dropped_before = 0
        self._lost_before: dict[str, int] = {}
        self._next_check_s = self._next_status_s = self._next_feed_s = 0.0

    def open(self) -> None:
        """Open the sinks, then start the source; a source that is missing is tried again.

        Raises `EdgeDeployError` where a sink cannot be used.
        """
        self._dropped_before, self._lost_before = self.status.dropped, dict(self.status.lost)
        try:
            for sink_config in self.config.sinks:
                sink = sink_config.make(self.trouble)
                sink.open()
                self._sinks.append((sink_config, sink))
        except BaseException:
            self.close()
            raise
        config = self.config
        self.status.model, self.status.source = str(config.model), config.source
        self.status.model_sha256 = self.watch.loaded.sha256
        self.status.memory_limit_bytes = config.memory_bytes
        self._stream = Stream(
            lambda reports: configured_source(config, reports, self._decode, self.seen),
            self._prepare,
            retry=True,
            ahead=config.interval_s == 0,
        )
        self._stream.__enter__()
        # Nobody is told that it is ready before it looks: what comes into a folder then counts.
        self._stream.wait_until_begun(_BEGIN_S)
        self.status.state = "running"

    def close(self) -> None:
        """Stop the source, finish what the sinks have begun, and write the last status."""
        if self._stream is not None:
            self._stream.close()
            for frame in self._stream.untaken:
                self.seen.forget(frame)
            self._count()
        for _, sink in self._sinks:
            sink.close()
        self._count()
        self._sinks = []
        self._stream = None

    def run(self, wishes: Wishes) -> None:
        """Work until a wish or the end of the source; raises what makes it impossible to go on.

        The inference under way is always finished.
        """
        stream = self._stream
        if stream is None:
            raise DeviceError("the service has not been opened")
        pause_until_s = 0.0
        while not (wishes.stop or wishes.reload):
            self._tick(stream)
            wait_s = min(_STEP_S, max(0.0, pause_until_s - time.monotonic()))
            if wait_s > 0:
                time.sleep(wait_s)
                continue
            item = stream.take(_STEP_S)
            if isinstance(item, Ready):
                pause_until_s = time.monotonic() + self.config.interval_s
                self._answer(item)
            elif isinstance(item, Refused):
                self._refuse(item.frame, str(item.error))
            elif isinstance(item, Trouble):
                self._source_trouble(item)
            elif stream.ended:
                return

    def write_status(self) -> None:
        """Write the status file, if there is a place for it; a full disk is only reported."""
        if self.config.state_folder is None:
            return
        try:
            write_status(self.config.state_folder, self.status)
        except OSError as error:
            self.trouble(f"the status file cannot be written: {error.strerror or error}")

    def _decode(self, path: Path) -> Picture:
        return self.watch.loaded.model.decode(path)

    def _prepare(self, frame: Frame) -> _Prepared:
        loaded = self.watch.loaded
        picture = frame.image
        start = time.perf_counter_ns()
        made = prepare_input(loaded.model, picture)
        return _Prepared(loaded, made, time.perf_counter_ns() - start)

    def _answer(self, item: Ready[_Prepared]) -> None:
        frame, prepared, loaded = item.frame, item.prepared, self.watch.loaded
        try:
            if prepared.loaded is not loaded:  # the model was changed in between
                prepared = self._prepare(frame)
            finding = find(loaded.model, prepared.input, self.config.top)
        except EdgeDeployError as error:  # a broken model must not end what others rely on
            self._refuse(frame, str(error))
            return
        self.status.frames += 1
        self.status.latencies_ns.append(finding.inference_ns)
        steps = {
            "decode": frame.decode_ns,
            "preprocess": prepared.preprocess_ns,
            "inference": finding.inference_ns,
            "total": frame.decode_ns + prepared.preprocess_ns + finding.inference_ns,
        }
        timing = {name: round(ns / 1e6, 3) for name, ns in steps.items()}
        now = wall_clock()
        details = {**finding.details, "timing_ms": timing}
        answer = Notice(ANSWER, now, frame.name, finding.best, finding.best_score, details)
        self.status.last_answer = {
            "time": now, "input": frame.name, "label": finding.best, "score": finding.best_score,
        }  # fmt: skip
        self._put(answer)
        self._decide(finding, frame, now)

    def _decide(self, finding: Finding, frame: Frame, now: str) -> None:
        self._state, changes = decide(
            self.config.rule, self._state, finding.scores, time.monotonic()
        )
        self.status.on = tuple(sorted(self._state.on))
        for change in changes:
            score = finding.scores.get(change.label) if change.kind == FIRED else None
            self._put(Notice(change.kind, now, frame.name, change.label, score))

    def _put(self, notice: Notice) -> None:
        for config, sink in self._sinks:
            wanted = not config.labels or notice.kind == ERROR or notice.label in config.labels
            if notice.kind in config.when and wanted:
                sink.put(notice)

    def _refuse(self, frame: Frame, reason: str) -> None:
        self.status.refused += 1
        self.trouble(reason)
        self._put(Notice(ERROR, wall_clock(), frame.name, "", None, {"error": reason}))

    def _source_trouble(self, trouble: Trouble) -> None:
        again = "" if trouble.retry_s is None else f" (next try in {trouble.retry_s:g} s)"
        self.trouble(f"{trouble.error}{again}")
        self._next_status_s = 0.0

    def trouble(self, text: str) -> None:
        """Count what went wrong and tell it."""
        self.status.errors += 1
        self.status.last_error = text
        self.journal.trouble(text)

    def _tick(self, stream: Stream[_Prepared]) -> None:
        """What is due between frames: watchdog, model file, memory, status."""
        now = time.monotonic()
        watchdog_s = self.manager.watchdog_s
        # Silence while the source or the preparation hangs: then systemd starts us afresh.
        if watchdog_s and now >= self._next_feed_s and stream.idle_s < watchdog_s / 2:
            self._next_feed_s = now + watchdog_s / 4
            self.manager.alive()
        state = _WAITING if stream.waiting else "running"
        if state != self.status.state:
            if self.status.state == _WAITING:
                self.journal.say("the source is back")
            self.status.state = state
            self._next_status_s = 0.0
        if now >= self._next_check_s:
            self._next_check_s = now + _CHECK_S
            self._check_model()
            self._check_memory()
        if now >= self._next_status_s:
            self._next_status_s = now + _STATUS_S
            self._count()
            self.write_status()
            self.manager.status(self.status.words())

    def _check_model(self) -> None:
        changed = self.watch.check()
        if changed is None:
            return
        loaded, sentence = changed
        if loaded:
            self.status.model_sha256 = self.watch.loaded.sha256
            self.journal.say(sentence)
        else:
            self.trouble(sentence)
        self._next_status_s = 0.0

    def _check_memory(self) -> None:
        limit = self.config.memory_bytes
        used = resident_bytes() if limit else None
        if limit is None or used is None or used <= limit:
            return
        gc.collect()
        used = resident_bytes() or used
        if used > limit:
            raise DeviceError(
                f"the service uses {used / 1e6:.0f} MB of memory, above its limit of "
                f"{limit / 1e6:g} MB ([limits] memory); it ends so that systemd starts it afresh"
            )

    def _count(self) -> None:
        if self._stream is not None:
            self.status.dropped = self._dropped_before + self._stream.dropped
        lost = dict(self._lost_before)
        for _, sink in self._sinks:
            if sink.lost:
                lost[sink.name] = lost.get(sink.name, 0) + sink.lost
        self.status.lost = lost or self.status.lost


@contextlib.contextmanager
def _signals(wishes: Wishes) -> Iterator[None]:
    def stop(*_: object) -> None:
        wishes.stop = True

    def reload(*_: object) -> None:
        wishes.reload = True

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(path: str | os.PathLike[str], manager: ServiceManager | None = None) -> None:
    """Run the service that a service.toml describes until SIGTERM, SIGINT or its source's end.

    SIGHUP reads the file again; one that is wrong is reported, and the old one goes on. Raises
    `EdgeDeployError` where it cannot start or go on.
    """
    manager = manager or ServiceManager.from_environment()
    journal, status, wishes = Journal(), Status(), Wishes()
    with _signals(wishes):
        service = Service(read_service_config(path), manager, journal, status)
        before: Service | None = None
        while True:
            try:
                service.open()
            except EdgeDeployError as error:
                if before is None:
                    raise
                service.trouble(f"{error}; the old configuration goes on")
                service, before = before, None
                continue
            try:
                after = _until_reload(service, path, wishes)
            except Exception as error:
                status.state, status.last_error = "failed", str(error) or type(error).__name__
                raise
            finally:
                service.close()
                service.write_status()
            if after is None:
                break
            before, service = service, after
        status.state = "stopped"
        service.write_status()
        lost = "".join(f", {count} lost by {name}" for name, count in status.lost.items())
        journal.say(f"stopped after {status.frames} frames, {status.dropped} dropped{lost}")


def _until_reload(service: Service, path: str | os.PathLike[str], wishes: Wishes) -> Service | None:
    """Run a service; gives the one that takes over after a reload, or None at the end."""
    config, manager = service.config, service.manager
    service.journal.say(
        f"serving {config.source} with {config.model.name} "
        f"(sha256 {service.watch.loaded.sha256[:16]})"
    )
    while True:
        manager.ready(service.status.words())
        service.run(wishes)
        if wishes.stop or not wishes.reload:
            manager.stopping()
            return None
        wishes.reload = False
        manager.reloading()
        try:
            fresh = read_service_config(path)
            # What was given from a folder is not given again, and what comes meanwhile is not lost.
            seen = service.seen if fresh.source == config.source else None
            return Service(fresh, manager, service.journal, service.status, seen)
        except EdgeDeployError as error:
            service.trouble(f"{error}; the old configuration goes on")
