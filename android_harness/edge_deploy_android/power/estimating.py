"""From looks at the battery and windows of idle and load to pairs of energy, or to why not.

Pure functions: what a phone said goes in, the pairs that `edge_deploy.energy` needs come out.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence

from edge_deploy_runner.machine.power_log import CounterSlice, PowerLog

from edge_deploy_android.telemetry.battery import Battery

from .sampling import PhoneSample
from .series import (
    CURRENT,
    RAILS,
    EnergySeries,
    charge_series,
    check_step,
    current_series,
    pair_error_j,
    rail_series,
)
from .units import NotMeasurable
from .windows import Window

UNPLUG = (
    "use adb over Wi-Fi (`adb tcpip 5555`, then `adb connect ADDRESS-OF-THE-PHONE`) and unplug it"
)
_FEWEST_LOOKS = 4
# What is cut off the begin of a window: of idle, where the processor takes its time to rest, and
# of load at least and at most.
_IDLE_SETTLE_SHARE = 1 / 3
_SETTLE_SHARE = 0.05
_MOST_SETTLE_SHARE = 1 / 3
_MOST_LAG_SHARE = 0.2
# Two ways to measure the same power may differ by that much, in calibration and in what they see.
_AGREEMENT = 1.35
_METHODS: tuple[Callable[[Sequence[PhoneSample], Sequence[Window]], EnergySeries], ...] = (
    rail_series,
    charge_series,
    current_series,
)


def supply_refusal(battery: Battery | None) -> str | None:
    """Why nothing can be measured with the battery as it is; None where it can be tried."""
    if battery is None:
        return "its battery service does not answer"
    if battery.present is False:
        return "it has no battery"
    if battery.faked:
        return (
            "its battery service shows values that somebody set; run "
            "`adb shell dumpsys battery reset`"
        )
    if battery.plugged:
        return f"it is plugged in ({' and '.join(battery.plugged)}); {UNPLUG}"
    if battery.charging:
        return f"it says that it is {battery.status}; {UNPLUG}"
    return None


def power_log(
    samples: Sequence[PhoneSample],
    windows: Sequence[Window],
    interval_s: float,
    evidence: str = "measured",
) -> PowerLog:
    """Pairs of idle and load energy by the best counter that the phone has.

    In this order: power rails, charge counter, current x voltage. Where none can be trusted the
    log is empty and its `reason` says why of each. `evidence` is that of the phone.
    """
    try:
        _check_looks(samples, windows)
        best = _best_series(samples, windows)
        pairs = _pairs(best, windows)
        # What lags is wrong in the same way in each pair; the mean of them all is no better.
        lag_j = _lag_j(best, windows) * math.sqrt(len(pairs))
    except NotMeasurable as error:
        return PowerLog(reason=f"not measurable on this phone: {error}")
    return PowerLog(
        counter=pairs,
        meter=(
            f"{best.source}; read every {interval_s:g} s, {len(pairs)} idle and load windows of "
            f"{windows[0].seconds:.0f} s in turn, idle subtracted"
        ),
        interval_s=interval_s,
        evidence=evidence,
        resolution_uj=math.hypot(pair_error_j(best), lag_j) * 1e6,
    )


def _best_series(samples: Sequence[PhoneSample], windows: Sequence[Window]) -> EnergySeries:
    """The first method that can be trusted; raises `NotMeasurable` with the reasons of all."""
    found: list[EnergySeries] = []
    reasons: dict[str, None] = {}
    for method in _METHODS:
        try:
            series = method(samples, windows)
            check_step(series, windows)
            _check_lag(series, windows)
        except NotMeasurable as error:
            reasons[str(error)] = None
        else:
            found.append(series)
    if not found:
        raise NotMeasurable("; ".join(reasons))
    _check_agreement(found, windows)
    return found[0]


def _check_looks(samples: Sequence[PhoneSample], windows: Sequence[Window]) -> None:
    for sample in samples:
        refusal = supply_refusal(sample.battery) if sample.battery is not None else None
        if refusal is not None:
            raise NotMeasurable(refusal)
    if all(sample.battery is None for sample in samples):
        raise NotMeasurable("its battery service does not answer")
    levels = [sample.battery.percent for sample in samples if sample.battery is not None]
    known = [level for level in levels if level is not None]
    if known and known[-1] > known[0]:
        raise NotMeasurable(
            f"its battery rose from {known[0]:.0f}% to {known[-1]:.0f}%, so something charges it"
        )
    shortest = min(window.seconds for window in windows)
    times = [sample.at_s for sample in samples]
    gap = max((later - sooner for sooner, later in itertools.pairwise(times)), default=0.0)
    if gap > shortest / 2:
        raise NotMeasurable(
            f"it did not answer for {gap:.0f} s, as a phone that sleeps; unlock it, and leave its "
            "screen on"
        )
    for window in windows:
        if sum(window.begin_s <= at_s <= window.end_s for at_s in times) < _FEWEST_LOOKS:
            raise NotMeasurable(
                f"fewer than {_FEWEST_LOOKS} looks at its battery fell in a window of "
                f"{window.seconds:.1f} s"
            )


def _settle_s(series: EnergySeries, windows: Sequence[Window]) -> float:
    """What is cut off a window's begin, where the counter still tells of the one before."""
    shortest = min(window.seconds for window in windows)
    if series.method == CURRENT:
        return _MOST_SETTLE_SHARE * shortest
    lag = 2 * series.update_s if series.update_s < shortest else shortest
    return min(_MOST_SETTLE_SHARE * shortest, max(_SETTLE_SHARE * shortest, lag))


def _lag_j(series: EnergySeries, windows: Sequence[Window]) -> float:
    """Joules of a pair by which a reading trails behind the windows.

    Gauges average a current over many seconds and do not say so: then it still climbs late in a
    load and still falls late in an idle window, and the halves of the windows differ. Counters
    add up, and lag by their steps only.
    """
    if series.method != CURRENT:
        return 0.0
    settle_s = _settle_s(series, windows)
    seconds = statistics.fmean(window.seconds for window in windows)
    climbs: dict[str, list[float]] = {"load": [], "idle": []}
    for window in windows:
        middle_s = (window.begin_s + settle_s + window.end_s) / 2
        (sooner_j, sooner_s), (later_j, later_s) = (
            series.span(window.begin_s + settle_s, middle_s),
            series.span(middle_s, window.end_s),
        )
        climbs[window.kind].append(later_j / later_s - sooner_j / sooner_s)
    return abs(statistics.fmean(climbs["load"]) - statistics.fmean(climbs["idle"])) * seconds


def _check_lag(series: EnergySeries, windows: Sequence[Window]) -> None:
    loads = [window for window in windows if window.kind == "load"]
    idles = [window for window in windows if window.kind == "idle"]
    settle_s = _settle_s(series, windows)
    marginal_w = series.power_w(loads, settle_s) - series.power_w(idles, settle_s)
    marginal_j = marginal_w * statistics.fmean(window.seconds for window in loads)
    lag_j = _lag_j(series, windows)
    if lag_j > _MOST_LAG_SHARE * max(marginal_j, 0.0) > 0:
        raise NotMeasurable(
            f"its {series.method} still changes by {lag_j / marginal_j:.0%} late in the windows, "
            "so it trails behind the load, or the load is not steady"
        )


def _check_agreement(found: Sequence[EnergySeries], windows: Sequence[Window]) -> None:
    """Raise `NotMeasurable` for counters that contradict each other, with both figures.

    Rails are part of what the battery gives: they may be less, but not more.
    """
    loads = [window for window in windows if window.kind == "load"]
    powers = {series.method: series.power_w(loads, _settle_s(series, windows)) for series in found}
    for (name, watts), (other, other_w) in itertools.combinations(powers.items(), 2):
        too_little = name != RAILS and watts * _AGREEMENT < other_w
        if too_little or watts > other_w * _AGREEMENT:
            raise NotMeasurable(
                f"its counters disagree: {watts:.3g} W under load by {name}, {other_w:.3g} W by "
                f"{other}"
            )


def _pairs(
    series: EnergySeries, windows: Sequence[Window]
) -> tuple[tuple[CounterSlice, CounterSlice], ...]:
    """Each load with the mean of the idle windows beside it."""
    settle_s = _settle_s(series, windows)
    pairs = []
    for index, window in enumerate(windows):
        if window.kind != "load":
            continue
        beside = [
            windows[near]
            for near in (index - 1, index + 1)
            if 0 <= near < len(windows) and windows[near].kind == "idle"
        ]
        idle_w = statistics.fmean(
            series.power_w([idle], _IDLE_SETTLE_SHARE * idle.seconds) for idle in beside
        )
        load_w = series.power_w([window], settle_s)
        seconds = window.seconds
        pairs.append(
            (
                CounterSlice(max(0, round(idle_w * seconds * 1e6)), seconds),
                CounterSlice(max(0, round(load_w * seconds * 1e6)), seconds, window.runs),
            )
        )
    return tuple(pairs)
