"""Energy that a phone has taken since the first look: from its rails, its charge, or its current.

Each function makes one series of the looks, or raises `NotMeasurable` with the reason. The windows
serve to tell signs and units, which need to know when the phone worked.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .sampling import PhoneSample
from .units import NotMeasurable, direction, discharge_sign, unit_scale, volts_per_unit
from .windows import Window

RAILS, CHARGE, CURRENT = "power rails", "charge counter", "current x voltage"
_MICROAMPERE_HOUR_C = 3.6e-3
_CHARGE_UNITS = (("uAh", 1.0), ("mAh", 1e3), ("nAh", 1e-3))
_CURRENT_UNITS = (("uA", 1.0), ("mA", 1e3))
# A source must answer nearly always; a look now and then may fail.
_ANSWERS_SHARE = 0.9
# A reading that stays longer than that many looks is one that the phone refreshes by itself.
_STALE_LOOKS = 1.5


@dataclass(frozen=True)
class EnergySeries:
    """Joules taken since the first look, at times since boot.

    `step_j` is how far one reading may be off, and `step` that in the phone's own words;
    `update_s` is how long a reading typically stays the same while the phone works.
    """

    method: str
    source: str
    times_s: tuple[float, ...]
    joules: tuple[float, ...]
    step_j: float
    step: str
    update_s: float

    def power_w(self, windows: Sequence[Window], settle_s: float = 0.0) -> float:
        """Mean power over windows, each without its first `settle_s`."""
        spans = [self.span(window.begin_s + settle_s, window.end_s) for window in windows]
        return sum(joules for joules, _ in spans) / sum(seconds for _, seconds in spans)

    def span(self, begin_s: float, end_s: float) -> tuple[float, float]:
        """Joules and seconds from the first look to the last one between two moments.

        Not to the very moments: across the end of a load no straight line holds. Raises
        `NotMeasurable` where fewer than two looks lie there.
        """
        first, last = bisect_left(self.times_s, begin_s), bisect_right(self.times_s, end_s) - 1
        if last <= first:
            raise NotMeasurable(f"its {self.method} was read too rarely for such short windows")
        return self.joules[last] - self.joules[first], self.times_s[last] - self.times_s[first]


def rail_series(samples: Sequence[PhoneSample], windows: Sequence[Window]) -> EnergySeries:
    """The sum of the rails' own energy counters."""
    known = [(sample.at_s, sample.rails) for sample in samples if sample.rails is not None]
    if len(known) < _ANSWERS_SHARE * len(samples) or len(known) < 2:
        raise NotMeasurable("it has no power rails that adb may read")
    names = set.intersection(*(set(rails.energy_uj) for _, rails in known))
    times = tuple(at_s for at_s, _ in known)
    totals = [sum(rails.energy_uj[name] for name in names) / 1e6 for _, rails in known]
    steps = [later - sooner for sooner, later in itertools.pairwise(totals)]
    if not any(steps):
        raise NotMeasurable("its power rails stand still")
    if min(steps) < 0:
        raise NotMeasurable("its power rails went down, as after a restart")
    update_s = _update_s(times, totals, windows)
    step_j = max(rails.resolution_uj for _, rails in known) / 1e6
    if _is_stale(update_s, times):
        step_j = max(step_j, *steps)
    series = EnergySeries(
        RAILS,
        f"the sum of {len(names)} power rails, which is not the whole phone",
        times,
        tuple(total - totals[0] for total in totals),
        step_j,
        f"{step_j * 1e3:.3g} mJ",
        update_s,
    )
    idle_w, load_w = _idle_and_load(series, windows)
    unit_scale(idle_w, load_w, "power rails", (("uJ", 1.0),))
    return series


def charge_series(samples: Sequence[PhoneSample], windows: Sequence[Window]) -> EnergySeries:
    """The battery's charge counter, times its voltage."""
    volts = _volts(samples)
    source, times, values = _liveliest(samples, lambda sample: sample.charges, "charge counter")
    steps = [later - sooner for sooner, later in itertools.pairwise(values)]
    sign = direction(steps, "charge counter")
    used = [sign * (value - values[0]) for value in values]
    smallest = math.gcd(*steps)
    update_s = _update_s(times, values, windows)
    coarse = max(abs(step) for step in steps) if _is_stale(update_s, times) else smallest
    joules = [0.0]
    for index, step in enumerate(itertools.pairwise(used)):
        mean_v = (volts(times[index]) + volts(times[index + 1])) / 2
        joules.append(joules[-1] + (step[1] - step[0]) * _MICROAMPERE_HOUR_C * mean_v)
    middle_v = volts(times[len(times) // 2])
    in_uah = EnergySeries(
        CHARGE, source, times, tuple(joules),
        coarse * _MICROAMPERE_HOUR_C * middle_v, f"{coarse:g} uAh", update_s,
    )  # fmt: skip
    idle_w, load_w = _idle_and_load(in_uah, windows)
    # In a window that is shorter than a step nothing can be told, not even the unit.
    check_step(in_uah, windows)
    unit = unit_scale(idle_w, load_w, f"charge counter ({source})", _CHARGE_UNITS)
    factor = dict(_CHARGE_UNITS)[unit]
    way = "up" if sign > 0 else "down"
    return EnergySeries(
        CHARGE,
        f"the battery's charge counter ({source}; in {unit}, counting {way} as it is used, in "
        f"steps of {coarse:g}) x its voltage",
        times,
        tuple(joule * factor for joule in joules),
        in_uah.step_j * factor,
        f"{coarse:g} {unit}",
        update_s,
    )


def current_series(samples: Sequence[PhoneSample], windows: Sequence[Window]) -> EnergySeries:
    """The battery's current times its voltage, added up over the looks."""
    volts = _volts(samples)
    source, times, values = _liveliest(samples, lambda sample: sample.currents, "current")
    working = [
        value
        for at_s, value in zip(times, values, strict=True)
        if any(window.kind == "load" and window.begin_s <= at_s < window.end_s
               for window in windows)
    ]  # fmt: skip
    sign = discharge_sign(working)
    if len(set(values)) < 3:
        raise NotMeasurable("its current stands still")
    watts = [sign * value * 1e-6 * volts(at_s) for at_s, value in zip(times, values, strict=True)]
    joules = [0.0]
    for index, (now, later) in enumerate(itertools.pairwise(watts)):
        joules.append(joules[-1] + (now + later) / 2 * (times[index + 1] - times[index]))
    quantum = math.gcd(*(later - sooner for sooner, later in itertools.pairwise(values)))
    longest_s = max(window.seconds for window in windows)
    in_ua = EnergySeries(
        CURRENT, source, times, tuple(joules),
        quantum * 1e-6 * volts(times[0]) * longest_s / 2, f"{quantum} uA",
        _update_s(times, values, windows),
    )  # fmt: skip
    idle_w, load_w = _idle_and_load(in_ua, windows)
    unit = unit_scale(idle_w, load_w, f"current ({source})", _CURRENT_UNITS)
    factor = dict(_CURRENT_UNITS)[unit]
    return EnergySeries(
        CURRENT,
        f"the battery's current ({source}; in {unit}, {'above' if sign > 0 else 'below'} 0 as it "
        f"discharges, in steps of {quantum}) x its voltage",
        times,
        tuple(joule * factor for joule in joules),
        in_ua.step_j * factor,
        f"{quantum} {unit}",
        in_ua.update_s,
    )


def check_step(series: EnergySeries, windows: Sequence[Window]) -> None:
    """Raise `NotMeasurable` for a counter whose steps are too coarse or too rare for the windows.

    Two readings at each end of two windows are off by up to a step each.
    """
    loads = [window for window in windows if window.kind == "load"]
    seconds = min(window.seconds for window in windows)
    idle_w, load_w = _idle_and_load(series, windows)
    marginal_j = (load_w - idle_w) * seconds
    error_j = pair_error_j(series) / math.sqrt(len(loads))
    if error_j > max(0.0, marginal_j) / 2 or series.update_s > seconds / 3:
        raise NotMeasurable(
            f"its {series.method} moves by {series.step} at a time, every {series.update_s:.3g} s, "
            f"too coarse to tell idle from load in windows of {seconds:.3g} s"
        )


def pair_error_j(series: EnergySeries) -> float:
    """How far the energy of a load above its idle may be off by the counter's steps (95%).

    Each reading is up to a step off, evenly: two for the load, and four for the idle windows beside
    it, of which two thirds are taken: sqrt(2 / 12 + 2 / 12 * 1.5 ** 2 / 2) of a step in all.
    """
    return 1.96 * 0.6 * series.step_j


def _volts(samples: Sequence[PhoneSample]) -> Callable[[float], float]:
    """The battery's voltage at a moment: of the look that is nearest before it."""
    _, times, values = _liveliest(samples, lambda sample: sample.voltages, "voltage")
    factor = volts_per_unit(values)
    usable = [
        (at_s, value * factor) for at_s, value in zip(times, values, strict=True) if value > 0
    ]
    moments = [at_s for at_s, _ in usable]
    return lambda at_s: usable[max(0, bisect_right(moments, at_s) - 1)][1]


def _liveliest(
    samples: Sequence[PhoneSample], pick: Callable[[PhoneSample], dict[str, int]], what: str
) -> tuple[str, tuple[float, ...], list[int]]:
    """The source that changes most often, with its times and values.

    A phone tells one thing in several places, and some of them are only refreshed now and then.
    """
    sources = dict.fromkeys(name for sample in samples for name in pick(sample))
    best: tuple[int, str, tuple[float, ...], list[int]] | None = None
    zeros = []
    for name in sources:
        known = [(sample.at_s, pick(sample)[name]) for sample in samples if name in pick(sample)]
        if len(known) < max(2, _ANSWERS_SHARE * len(samples)):
            continue
        values = [value for _, value in known]
        if not any(values):
            zeros.append(name)
            continue
        changes = sum(a != b for a, b in itertools.pairwise(values))
        if best is None or changes > best[0]:
            best = (changes, name, tuple(at_s for at_s, _ in known), values)
    if best is None:
        if zeros:
            raise NotMeasurable(f"its {what} is always 0 ({', '.join(zeros)})")
        raise NotMeasurable(f"it states no {what}")
    return best[1:]


def _idle_and_load(series: EnergySeries, windows: Sequence[Window]) -> tuple[float, float]:
    return (
        series.power_w([window for window in windows if window.kind == "idle"]),
        series.power_w([window for window in windows if window.kind == "load"]),
    )


def _update_s(times: Sequence[float], values: Sequence[float], windows: Sequence[Window]) -> float:
    """Seconds between two changes of a value in windows of load: the middle of all such times."""
    gaps = []
    for window in windows:
        if window.kind != "load":
            continue
        inside = [
            (at_s, value)
            for at_s, value in zip(times, values, strict=True)
            if window.begin_s <= at_s <= window.end_s
        ]
        changed = [
            later[0] for sooner, later in itertools.pairwise(inside) if later[1] != sooner[1]
        ]
        if len(changed) < 2:
            gaps.append(window.seconds)
        gaps += [later - sooner for sooner, later in itertools.pairwise(changed)]
    return statistics.median(gaps) if gaps else float("inf")


def _is_stale(update_s: float, times: Sequence[float]) -> bool:
    look_s = statistics.median(later - sooner for sooner, later in itertools.pairwise(times))
    return update_s > _STALE_LOOKS * look_s
