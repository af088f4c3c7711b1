"""What makes a measurement less than it seems, and what makes it void."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_deploy_runner.machine.telemetry import (
    THERMAL_STATUS_MODERATE,
    Telemetry,
    thermal_status_word,
    throttling_words,
)

from .percentiles import MIN_RUNS_P99, coefficient_of_variation
from .records import Measurement
from .sustained_record import Sustained

HIGH_VARIATION = 0.03
HIGH_OTHERS_SHARE = 0.05
_LOW_SHARE_INT8 = 0.9


# The bits of an ailing supply, now and since boot: no run under it says anything.
_UNDER_VOLTAGE = 0x10001


def void_reasons(result: Measurement) -> tuple[str, ...]:
    """Why the times do not count: the board was held back while they were taken.

    A throttling bit set before, among or after the timed runs (0-3), one that came up since
    (16-19), an alarm of the supply, or a phone's thermal status from "moderate" on. Of the looks
    during a sustained run only under-voltage counts: heat and what it does to the clock are what
    that run is there to show. A phone's last look comes after it.
    """
    during = [look.telemetry for look in result.telemetry_during]
    later = 0
    after = result.telemetry_after
    if result.sustained is not None:
        after = replace(after, thermal_status=None)
        for window in result.sustained.windows:
            later |= (window.throttled or 0) & _UNDER_VOLTAGE
    return held_back_between((result.telemetry_before, *during, after), later)


def held_back_between(looks: Sequence[Telemetry], seen: int = 0) -> tuple[str, ...]:
    """What held the board back from the first look to the last; `seen` are bits met besides."""
    if not looks:
        return ()
    before = looks[0]
    for look in looks:
        seen |= (look.throttled or 0) & 0xF000F
    known_before = 0xF if before.throttled is None else before.throttled >> 16 & 0xF
    words = throttling_words(seen)
    fresh = [word for word in throttling_words(seen >> 16 & ~known_before) if word not in words]
    found = []
    if words:
        found.append(f"the board reported {', '.join(words)}")
    if fresh:
        found.append(f"the board met {', '.join(fresh)} during the run")
    if not seen & 1 and any(look.under_voltage for look in looks):
        found.append("the board reported under-voltage")
    hottest = max((look.thermal_status or 0 for look in looks), default=0)
    if hottest >= THERMAL_STATUS_MODERATE:
        found.append(f"the phone reported the thermal status {thermal_status_word(hottest)}")
    return tuple(found)


def _mend(reason: str) -> str:
    if "thermal status" in reason:
        return "let it cool down, out of its case,"
    return "mend its power supply or cooling"


def held_back_in(sustained: Sustained) -> tuple[float, tuple[str, ...]] | None:
    """When a sustained run was first held back, in seconds, and by what; None where never."""
    for window in sustained.windows:
        words = throttling_words(window.throttled or 0)
        if words:
            return window.start_s, words
    return None


def warnings_of(result: Measurement, integer: bool = False) -> tuple[str, ...]:
    """What makes these figures less than they seem. `integer`: the model holds 8-bit tensors."""
    found = [
        f"{reason}, so its times are void: {_mend(reason)} and measure again"
        for reason in void_reasons(result)
    ]
    runs = len(result.latencies_ns)
    variation = coefficient_of_variation(result.latencies_ns)
    if variation > HIGH_VARIATION:
        found.append(
            f"latencies vary by {variation:.1%} (coefficient of variation; above "
            f"{HIGH_VARIATION:.0%}): something else runs, or the clock changes"
        )
    if runs < result.spec.min_runs:
        found.append(
            f"only {runs} runs instead of {result.spec.min_runs}: each takes longer than a second"
        )
    if runs < MIN_RUNS_P99:
        found.append(f"p99 needs {MIN_RUNS_P99} runs and there are {runs}; raise --runs")
    before, after = result.telemetry_before, result.telemetry_after
    # Of a phone nobody can change it.
    is_phone = "android" in result.device
    if after.governor not in (None, "performance") and not is_phone:
        found.append(f"the CPU governor is {after.governor}, not performance: the clock may change")
    if before.governor != after.governor:
        found.append(f"the CPU governor changed from {before.governor} to {after.governor}")
    if after.others_cpu_share is not None and after.others_cpu_share > HIGH_OTHERS_SHARE:
        found.append(f"other programs used {after.others_cpu_share:.0%} of the CPU meanwhile")
    if after.on_battery:
        found.append("the machine runs on battery, which may lower its clock")
    found += _phone_warnings(result)
    share = result.delegate.operator_share
    if result.delegate.asked == "auto" and result.delegate.used == "none":
        found.append("XNNPACK takes none of the operators: TFLite's built-in kernels run them all")
    elif (
        result.delegate.asked != "none"
        and integer
        and (result.delegate.used == "XNNPACK" and share is not None and share < _LOW_SHARE_INT8)
    ):
        found.append(
            f"XNNPACK takes only {share:.0%} of the operators of this integer model: the rest run "
            "on slower kernels, so a float model may be faster"
        )
    if result.evidence == "simulated":
        emulator = result.device.get("emulator")
        found.append(
            f"this machine is emulated{f' by {emulator}' if emulator else ''}: the latencies are "
            "not a real device's"
        )
    if result.sustained is not None:
        slowdown = result.sustained.slowdown().value
        if slowdown > 1 + HIGH_VARIATION:
            found.append(
                f"under sustained load it became {slowdown - 1:.0%} slower: heat, or other work"
            )
        held = held_back_in(result.sustained)
        if held is not None:
            found.append(
                f"{held[0]:.0f} s into the sustained load the board reported {', '.join(held[1])}"
            )
    return tuple(found)


def _phone_warnings(result: Measurement) -> list[str]:
    """What a phone's own state does to its times."""
    looks = (result.telemetry_before, result.telemetry_after)
    found = []
    if any(look.low_power_mode for look in looks):
        found.append("the phone is in battery saver, which lowers its clock: switch it off")
    if any(look.charging for look in looks):
        found.append("the phone was charging, which warms it and may lower its clock")
    after = result.telemetry_after.thermal_status or 0
    if result.sustained is not None and after >= THERMAL_STATUS_MODERATE:
        found.append(
            "after the sustained load the phone reported the thermal status "
            f"{thermal_status_word(after)}"
        )
    elif max(look.thermal_status or 0 for look in looks) == 1:
        found.append("the phone was warm (thermal status light): it may soon lower its clock")
    return found
