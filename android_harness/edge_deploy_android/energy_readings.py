"""A measurement's energy: the phone's own readings of power, or why there are none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from edge_deploy_runner.bench.measuring import Measured
from edge_deploy_runner.bench.records import Energy, Measurement
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress

from .harness_protocol import HarnessJob
from .harness_run import Harness
from .job import Job
from .leaving import Leaving
from .power import Window, WindowPlan, measure_power, parse_windows
from .power.windows import DEFAULT_PAIRS, WINDOW_S


def with_energy(
    job: Job, harness: Harness, work: HarnessJob, leaving: Leaving, result: Measurement
) -> Measured:
    """The measurement with the phone's own readings of power, or the reason why it has none."""
    if not job.options.energy:
        minutes = (2 * DEFAULT_PAIRS + 1) * WINDOW_S / 60
        reason = (
            "not asked for: --meter phone reads the phone's own power, on battery, for "
            f"{minutes:.0f} minutes"
        )
        return Measured(replace(result, energy=Energy("unknown", reason=reason)))
    loaded = replace(work, threads=(result.spec.threads,))

    def run_windows(plan: Sequence[WindowPlan]) -> Sequence[Window]:
        request = loaded.request(
            "windows", harness.output_path(), windows=[window.to_json() for window in plan]
        )
        seconds = sum(window.seconds for window in plan)
        report = _with_time_left(plan, job.on_progress)
        return parse_windows(harness.ask(request, seconds, report).document, plan)

    try:
        log = measure_power(
            job.device,
            run_windows,
            folder=leaving.run,
            on_undo=lambda argv: leaving.undo(shlex.join(argv)),
            evidence=job.phone.evidence,
            window_s=job.options.window_s,
            on_progress=job.on_progress,
        )
    except DeviceError as error:
        # The latencies are there, and minutes of windows must not cost them.
        leaving.tell_trouble_only()
        reason = f"reading the phone's power broke off: {error}"
        return with_warnings(
            Measured(replace(result, energy=Energy("unknown", reason=reason))), reason
        )
    return Measured(result, log)


def _with_time_left(plan: Sequence[WindowPlan], on_progress: Progress) -> Progress:
    """Tell of each window which it is of how many, and how long the rest takes."""

    def report(stage: str, done: int, total: int) -> None:
        if not stage.endswith(" window") or done >= len(plan):
            return on_progress(stage, done, total)
        kinds = [window.kind for window in plan]
        kind = kinds[done]
        left_s = sum(window.seconds for window in plan[done:])
        left = f"{left_s / 60:.0f} minutes" if left_s >= 90 else f"{left_s:.0f} s"
        number = kinds[: done + 1].count(kind)
        return on_progress(f"{kind} window {number} of {kinds.count(kind)}, {left} left", 0, 0)

    return report


def with_warnings(measured: Measured, *texts: str) -> Measured:
    """What was measured, with more warnings; empty ones are none."""
    found = (*measured.measurement.warnings, *(text for text in texts if text))
    return replace(measured, measurement=replace(measured.measurement, warnings=found))
