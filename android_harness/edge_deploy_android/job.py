"""What is to be measured on a phone, and how: the user's options and what they mean there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_deploy_runner.bench.measuring import LARGEST_SWEEP, Request
from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.tflite.model_file import ModelFile

from . import cpu_cores
from .adb import AdbDevice
from .cpu_cores import CoreChoice
from .device import AndroidDevice
from .power.windows import WINDOW_S
from .telemetry import AndroidTelemetry, read_telemetry

MODES = ("shell", "app")
_MOST_THREADS = 4


@dataclass(frozen=True)
class AndroidOptions:
    """How to measure on a phone.

    `mode`: "shell" (a program of the shell user) or "app" (an app, installed for the run).
    `runtime` names .so or .aar files to use instead of the pinned runtime. `cpus`: "big", "little",
    "all", a list such as "4-7", or None for the scheduler's choice. `keep` leaves the pushed files
    there for the next run. `energy` reads the phone's own power as well, over nine windows of
    `window_s` seconds; Android's counters need 60 s of each.
    """

    mode: str = "shell"
    runtime: tuple[Path, ...] = ()
    cpus: str | None = None
    keep: bool = False
    energy: bool = False
    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"unknown mode {self.mode!r}; use one of {', '.join(MODES)}")
        if self.cpus is not None:
            cpu_cores.check_words(self.cpus)
            if self.mode == "app":
                raise UsageError(
                    "an app cannot be bound to cores; leave --cpus out, or measure with --mode "
                    "shell"
                )


@dataclass(frozen=True)
class Job:
    """One model to be measured on one phone, and how."""

    request: Request
    model: ModelFile
    options: AndroidOptions
    device: AdbDevice
    phone: AndroidDevice
    cores: CoreChoice | None
    on_progress: Progress

    def threads(self) -> tuple[int, ...]:
        """The numbers of threads to try: several for a sweep."""
        available = len(self.cores.cores) if self.cores else self.phone.cores
        if self.request.threads == "sweep":
            return tuple(range(1, min(LARGEST_SWEEP, available) + 1))
        return (int(self.request.threads) or min(_MOST_THREADS, available),)

    def look(self) -> AndroidTelemetry:
        """What the phone says of itself now."""
        return read_telemetry(lambda argv: self.device.run(argv).text)


def with_cores(job: Job, used: tuple[int, ...] | None) -> tuple[Job, tuple[str, ...]]:
    """The job with the cores that the run really had, and a warning where some were missing."""
    if job.cores is None or used is None or used == job.cores.cores:
        return job, ()
    given = replace(job.cores, cores=used)
    return replace(job, cores=given), (
        f"--cpus {job.cores.asked} asks for cores {cpu_cores.ranges(job.cores.cores)}, and the "
        f"phone let the run have {cpu_cores.ranges(used)} alone: the others are switched off or "
        "kept from adb's programs",
    )


def too_many_threads(job: Job) -> tuple[str, ...]:
    """A warning for threads that have to share cores."""
    available = len(job.cores.cores) if job.cores else job.phone.cores
    asked = job.request.threads
    if asked == "sweep" or int(asked) <= available:
        return ()
    cores = "1 core" if available == 1 else f"{available} cores"
    return (
        f"{asked} threads share {cores}, which is slower than a thread for each core; use "
        f"--threads {available} or fewer",
    )
