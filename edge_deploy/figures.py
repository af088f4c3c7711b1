"""The figures of a measurement or of an accuracy that a budget judges, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_deploy_runner.bench.prediction import Prediction
from edge_deploy_runner.bench.records import BatteryUse, Energy, Measurement
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.json_reader import Reader

from .budget import Budget
from .energy import Battery, battery_use, without_converter
from .intervals import wilson_interval

# What rounding may shift the end of an interval by, as a share of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Figure:
    """One figure in the unit of its metric, the interval it may lie in, and its evidence.

    Bounds that are None say that no interval could be given; an exact figure has both equal to
    its value. `interval` is what a prediction's is called in the reason of its verdict. `beside`
    is evidence that needs leave as well, such as that of the time under a predicted energy.
    """

    value: float
    low: float | None
    high: float | None
    evidence: str
    interval: str = ""
    beside: tuple[str, ...] = ()

    @property
    def holds_its_value(self) -> bool:
        """Whether low <= value <= high, but for rounding; not so for what is no number."""
        if self.low is None or self.high is None:
            return False
        slack = _ROUNDING * max(abs(self.low), abs(self.value), abs(self.high))
        return self.low - slack <= self.value <= self.high + slack


@dataclass(frozen=True)
class Missing:
    """There is no figure, and why; or one that does not count, where `status` is "void"."""

    reason: str
    status: str = "unmeasured"


def _exact(value: float | None, evidence: str, what: str) -> Figure | Missing:
    if value is None:
        return Missing(f"{what} is not known on this system")
    return Figure(value, value, value, evidence)


def measured_figure(metric: str, measurement: Measurement, budget: Budget) -> Figure | Missing:
    """The figure of a metric in a measurement or a prediction; batteries are the budget's first."""
    evidence = measurement.evidence
    if measurement.void and metric not in _TIMELESS:
        return Missing(
            f"{'; '.join(measurement.void)}: this run is void; mend that and measure again", "void"
        )
    if metric == "size":  # the same on every device
        return _exact(float(measurement.model.size_bytes), "measured", "the size")
    if measurement.prediction is not None:
        return _predicted_figure(metric, measurement, measurement.prediction, budget)
    if metric.startswith("latency_"):
        found = measurement.latency()[metric.removeprefix("latency_")]
        if found is None:
            runs = len(measurement.latencies_ns)
            return Missing(f"p99 needs 299 runs and there are {runs}; profile with --runs 299")
        return Figure(found.value, found.low, found.high, evidence)
    if metric in SUSTAINED:
        return _sustained_figure(metric, measurement)
    if metric == "first_inference":
        return _exact(measurement.first_inference_ms, evidence, "the first inference")
    if metric == "load":
        return _exact(measurement.load_ms, evidence, "the load time")
    if metric == "peak_memory":
        peak = measurement.peak_memory_bytes
        return _exact(None if peak is None else float(peak), evidence, "the peak memory")
    if evidence != "simulated" or measurement.energy.evidence == "unknown":
        return _power_figure(metric, measurement, budget)
    if measurement.energy.evidence == "predicted":  # twice no real energy
        figure = _power_figure(metric, measurement, budget)
        return figure if isinstance(figure, Missing) else replace(figure, beside=(evidence,))
    # Real watts over an emulator's time are no real energy.
    measurement = replace(measurement, energy=replace(measurement.energy, evidence=evidence))
    return _power_figure(metric, measurement, budget)


def _power_figure(metric: str, measurement: Measurement, budget: Budget) -> Figure | Missing:
    """What is worked out from power: energy, and what it costs a battery."""
    energy = _chosen_energy(measurement.energy, budget.gross)
    if energy.mj_per_inference is None:
        return Missing(energy.reason or "the energy is not known")
    if metric == "energy_per_inference":
        return _energy_figure(energy)
    return _battery_figure(metric, measurement, energy, budget)


def _predicted_figure(
    metric: str, measurement: Measurement, prediction: Prediction, budget: Budget
) -> Figure | Missing:
    """A figure of a prediction; what no prediction knows is missing.

    One that rests on an emulator's times needs the leave that these need.
    """
    beside = ("simulated",) if prediction.basis.standing == "simulated" else ()
    covered = f"{prediction.coverage:.0%} interval"
    known = prediction.latency.get(metric.removeprefix("latency_"))
    if known is not None:
        # How often the tail of other models lies in that of p90 nobody has counted.
        own = metric == "latency_p50"
        words = f"its {covered}" if own else f"its range, the {covered} of p50 included"
        return Figure(known.value, known.low, known.high, "predicted", words, beside)
    if metric == "peak_memory":
        peak = prediction.peak_memory
        return Figure(peak.value, peak.low, peak.high, "predicted", "its range")
    if metric in _UNPREDICTED:
        what, option = _UNPREDICTED[metric]
        return Missing(
            f"a prediction does not know {what}; measure it: "
            f"{prediction.basis.replace_with}{option}"
        )
    found = _power_figure(metric, measurement, budget)
    if isinstance(found, Missing):
        return found
    # Whoever measured the watts, the time is predicted.
    return replace(
        found,
        evidence="predicted",
        beside=beside,
        interval=f"its range, the latency's {covered} included",
    )


# What it is, and the option that the command needs for it.
_UNPREDICTED = {
    "latency_p99": ("its p99", " --runs 299"),
    "first_inference": ("the first inference", ""),
    "load": ("the load time", ""),
    "sustained_p90": ("what heat does to it", " --sustained SECONDS"),
    "slowdown": ("what heat does to it", " --sustained SECONDS"),
}

SUSTAINED = ("sustained_p90", "slowdown")
# What a board that is held back does not change.
_TIMELESS = ("size", "peak_memory")


def _sustained_figure(metric: str, measurement: Measurement) -> Figure | Missing:
    long = measurement.sustained
    if long is None:
        return Missing("no sustained run was made; profile with --sustained SECONDS")
    found = long.slowdown() if metric == "slowdown" else long.last()["p90"]
    assert found is not None
    return Figure(found.value, found.low, found.high, measurement.evidence)


def _chosen_energy(energy: Energy, gross: bool) -> Energy:
    if not gross:
        return energy
    return Energy(
        energy.evidence,
        energy.gross_mj_per_inference,
        energy.gross_low,
        energy.gross_high,
        idle_w=energy.idle_w,
        load_w=energy.load_w,
        reason=energy.reason or "the idle power is not known, so gross energy is not either",
    )


def _energy_figure(energy: Energy) -> Figure | Missing:
    value = energy.mj_per_inference
    if value is None:
        return Missing(energy.reason)
    # Only a user's own figure stands for itself.
    default = value if energy.evidence == "user" else None
    return Figure(
        value,
        default if energy.low is None else energy.low,
        default if energy.high is None else energy.high,
        energy.evidence,
    )


def _battery_figure(
    metric: str, measurement: Measurement, energy: Energy, budget: Budget
) -> Figure | Missing:
    battery, own = budget.battery, measurement.battery
    if battery is None and own is not None:
        battery = Battery(own.capacity_mah, own.voltage_v, own.efficiency)
    elif battery is not None and (measurement.device.get("android") or _has_no_converter(own)):
        battery = without_converter(battery)
    if battery is None:
        return Missing("no battery is given; add [battery] to the budget or --battery to profile")
    if measurement.prediction is not None:
        return _predicted_battery_figure(metric, battery, energy, measurement)
    p50 = measurement.latency()["p50"]
    if p50 is None:
        return Missing("no latency was measured")
    if metric == "battery_per_1000":
        figure = _energy_figure(energy)
        if isinstance(figure, Missing):
            return figure
        # 1000 inferences of so many mJ are so many J.
        value, low, high = (
            None if mj is None else mj / battery.energy_j * 100
            for mj in (figure.value, figure.low, figure.high)
        )
        assert value is not None
        return Figure(value, low, high, energy.evidence)
    # Continuous use counts the idle power once, whatever `gross` says.
    hours = battery_use(battery, measurement.energy, p50.value).hours_continuous
    if hours is None or measurement.energy.idle_w is None:
        return Missing("the idle power is not known, so the hours are not either")
    gross = _energy_figure(_chosen_energy(measurement.energy, gross=True))
    if isinstance(gross, Missing):
        return gross
    # As many times the hours as it takes times less energy.
    low, high = (gross.value * hours / mj if mj else None for mj in (gross.high, gross.low))
    return Figure(hours, low, high, energy.evidence)


def _has_no_converter(battery: BatteryUse | None) -> bool:
    return battery is not None and battery.efficiency == 1


def _predicted_battery_figure(
    metric: str, battery: Battery, energy: Energy, measurement: Measurement
) -> Figure | Missing:
    """As a measured one, with what is not known of the battery's converter in its ends."""
    p50 = measurement.latency()["p50"]
    assert p50 is not None
    if metric == "battery_per_1000":
        use = battery_use(battery, energy, p50)
        value, low, high = (
            use.percent_per_1000, use.percent_per_1000_low, use.percent_per_1000_high,
        )  # fmt: skip
    else:
        use = battery_use(battery, measurement.energy, p50)
        value, low, high = (
            use.hours_continuous, use.hours_continuous_low, use.hours_continuous_high,
        )  # fmt: skip
    if value is None:
        return Missing("the idle power is not known, so the hours are not either")
    return Figure(value, low, high, "predicted")


def _evidence(accuracy: Mapping[str, Any]) -> str:
    return Reader(accuracy, "the accuracy").evidence("measured")


def _drop(accuracy: Mapping[str, Any] | None) -> Figure | Missing:
    if accuracy is None:
        return Missing("no accuracy is given; add --accuracy FILE from `edge-deploy evaluate`")
    if accuracy.get("drop_points") is None:
        return Missing("the accuracy has no reference; run `edge-deploy evaluate` with --reference")
    reader = Reader(accuracy, "the accuracy")
    value = reader.number("drop_points", smallest=-100.0, largest=100.0)
    ends = accuracy.get("drop_ci95")
    if ends is None:
        return Figure(value, None, None, _evidence(accuracy))
    if not isinstance(ends, list) or len(ends) != 2:
        raise BadInputError('the accuracy: "drop_ci95" is not a pair [low, high]')
    low, high = (
        Reader({"drop_ci95": end}, "the accuracy").number("drop_ci95", smallest=-100.0)
        for end in ends
    )
    if not low <= high:
        raise BadInputError('the accuracy: "drop_ci95" has its ends the wrong way round')
    return Figure(value, low, high, _evidence(accuracy))


def _share(key: str) -> Callable[[Mapping[str, Any] | None], Figure | Missing]:
    def read(accuracy: Mapping[str, Any] | None) -> Figure | Missing:
        if accuracy is None:
            return Missing("no accuracy is given; add --accuracy FILE from `edge-deploy evaluate`")
        if accuracy.get(key) is None:
            return Missing(f"the accuracy has no {key}")
        reader = Reader(accuracy, "the accuracy")
        value, samples = reader.number(key, largest=1.0), reader.integer("samples")
        if samples < 1:
            raise BadInputError('the accuracy: "samples" is 0: nothing was evaluated')
        low, high = wilson_interval(value * samples, samples)
        return Figure(value * 100, low * 100, high * 100, _evidence(accuracy))

    return read


ACCURACY_FIGURES: dict[str, Callable[[Mapping[str, Any] | None], Figure | Missing]] = {
    "accuracy_drop": _drop,
    "accuracy_top1": _share("top1"),
    "accuracy_top5": _share("top5"),
    "agreement": _share("agreement"),
}
