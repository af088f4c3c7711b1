"""Energy of a phone: windows of idle and load in turn, its battery and rails read meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.machine.power_log import PowerLog
from edge_deploy_runner.progress import Progress, silent

from edge_deploy_android.adb import Completed
from edge_deploy_android.telemetry.battery import parse_battery
from edge_deploy_android.telemetry.looking import read_telemetry
from edge_deploy_android.telemetry.power_rails import RAIL_COMMANDS, parse_powerstats

from .estimating import power_log, supply_refusal
from .sampling import STOP_FILE, parse_samples, sampler_argv
from .screen import is_screen_on, keep_screen_as_it_is
from .windows import DEFAULT_PAIRS, WINDOW_S, Window, WindowPlan, plan_windows

INTERVAL_S = 2.0
_LOOKS_A_WINDOW = 20
# The model is loaded and warmed up before the first window.
_BEFORE_WINDOWS_S = 300.0
_SAMPLER_END_S = 60.0


class Phone(Protocol):
    """What is needed of `adb.AdbDevice`."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float | None = ...,
        hold_stdin: bool = ...,
    ) -> Completed:
        """Run a program on the phone."""
        ...


def measure_power(
    device: Phone,
    run_windows: Callable[[Sequence[WindowPlan]], Sequence[Window]],
    *,
    folder: str,
    on_undo: Callable[[Sequence[str]], None],
    evidence: str = "measured",
    pairs: int = DEFAULT_PAIRS,
    window_s: float = WINDOW_S,
    interval_s: float | None = None,
    on_progress: Progress = silent,
) -> PowerLog:
    """Readings of energy, or a log without any whose `reason` says why it is not measurable.

    `run_windows` has the harness idle and work as planned and returns the windows as they went
    (`parse_windows`). `folder` is this run's own folder on the phone: what runs there ends when it
    is gone. `on_undo` is told each command that puts a setting back, before it is changed. The
    phone is looked at every `interval_s`, by default every 2 s, and more often in windows shorter
    than 40 s. Takes `2 * pairs + 1` windows of time. Raises `DeviceError` where the connection
    fails.
    """
    plan = plan_windows(pairs, window_s)
    if interval_s is None:
        interval_s = min(INTERVAL_S, window_s / _LOOKS_A_WINDOW)

    def words(argv: Sequence[str]) -> str:
        return device.run(argv).text

    refusal = supply_refusal(parse_battery(words(("dumpsys", "battery"))))
    if refusal is not None:
        return PowerLog(reason=f"not measurable on this phone: {refusal}")
    seconds = sum(window.seconds for window in plan) + _BEFORE_WINDOWS_S
    keep_screen_as_it_is(words, seconds, on_undo)
    rails = _rail_command(device)
    on_progress("reading the phone's power", 0, 0)
    before = read_telemetry(words).to_telemetry()
    with _Sampler(device, sampler_argv(folder, 2 * seconds, interval_s, rails), folder) as sampler:
        windows = run_windows(plan)
    if is_screen_on(words) is False:
        return PowerLog(
            reason="not measurable on this phone: its screen went off meanwhile; unlock it and "
            "leave it alone"
        )
    after = read_telemetry(words).to_telemetry()
    log = power_log(parse_samples(sampler.text()), windows, interval_s, evidence)
    return replace(log, telemetry=(before, after))


def _rail_command(device: Phone) -> tuple[str, ...]:
    """The command that prints the phone's power rails; () where none does."""
    for command in RAIL_COMMANDS:
        # Every other phone says that there is no such service.
        with contextlib.suppress(DeviceError):
            if parse_powerstats(device.run(command).text) is not None:
                return command
    return ()


class _Sampler:
    """The loop on the phone, in a thread, from begin to end of a block."""

    def __init__(self, device: Phone, argv: Sequence[str], folder: str) -> None:
        self._device, self._argv = device, argv
        self._stop = f"{folder}/{STOP_FILE}"
        self._done: Completed | None = None
        self._error: DeviceError | None = None
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        try:
            self._done = self._device.run(self._argv, timeout_s=None, hold_stdin=True)
        except DeviceError as error:
            self._error = error

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Whatever happened in the block is the error to tell; the loop ends with its folder too.
        with contextlib.suppress(DeviceError):
            self._device.run(("touch", self._stop))
            self._thread.join(_SAMPLER_END_S)
            self._device.run(("rm", "-f", self._stop))

    def text(self) -> str:
        """What the loop printed; raises `DeviceError` where the connection to it was lost."""
        if self._done is None:
            raise self._error or DeviceError(
                "reading the phone's power did not end; measure again, or without --meter phone"
            )
        return self._done.text
