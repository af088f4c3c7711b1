"""How energy and batteries look in a terminal: every figure with its ends and its evidence."""

from __future__ import annotations

from collections.abc import Callable

from edge_deploy_runner.bench.records import BatteryUse, Energy, EnergySource

from edge_deploy.units import rate_words

from .rendering import with_ends

_BATTERY_FIGURES = (
    "percent_per_1000", "hours_idle", "hours_continuous", "hours_at_rate", "percent_per_1000_high",
    "hours_idle_high", "hours_continuous_high", "hours_at_rate_high",
)  # fmt: skip


Line = tuple[str, str, str]


def energy_lines(energy: Energy, battery: BatteryUse | None, *, brief: bool = False) -> list[Line]:
    """Rows of a table: what it is, its value with low and high, and its evidence ("" for none).

    `brief` leaves out what the sources say of themselves; `energy_sources` has it.
    """
    return [*_energy(energy, brief), *(_battery(battery) if battery else ())]


def energy_sources(energy: Energy) -> list[Line]:
    """What the sources of power say of themselves, in rows."""
    if not energy.alternatives:
        return [("power", energy.source, "")] if energy.source else []
    count = len(energy.alternatives)
    return [
        (f"power, {number} of {count}", entry.source, entry.standing)
        for number, entry in enumerate(energy.alternatives, 1)
    ]


def millijoules(mj: float) -> str:
    """Three digits, in joules from 1000 mJ on."""
    return f"{mj / 1000:.3g} J" if abs(mj) >= 1000 else f"{mj:.3g} mJ"


def hours(value: float) -> str:
    """Hours with one decimal; minutes under an hour."""
    return f"{value:.1f} h" if value >= 1 else f"{value * 60:.3g} min"


def _energy(energy: Energy, brief: bool) -> list[Line]:
    if energy.mj_per_inference is None:
        return [("energy", energy.reason, energy.evidence)]
    value = f"{millijoules(energy.mj_per_inference)} an inference above idle"
    lines = [("energy", value + _ends(energy.low, energy.high, millijoules), energy.evidence)]
    if energy.gross_mj_per_inference is not None:
        gross = with_ends(
            energy.gross_mj_per_inference, energy.gross_low, energy.gross_high, millijoules
        )
        lines.append(("  with idle power", gross, energy.evidence))
    if energy.idle_w is None:
        lines.append(("  idle power", "unknown", "unknown"))
    else:
        idle = with_ends(energy.idle_w, energy.idle_w_low, energy.idle_w_high, _watts)
        lines.append(("  idle power", idle, energy.idle_evidence or energy.evidence))
    if energy.source and not energy.alternatives:
        lines.append(("  source", _named(energy.source) if brief else energy.source, ""))
    names = {_named(entry.source) for entry in energy.alternatives}
    for number, entry in enumerate(energy.alternatives, 1):
        source = entry.source if not brief else _named(entry.source) if len(names) > 1 else ""
        words = _figures_of(entry) + (f": {source}" if source else "")
        lines.append((f"  source {number} of {len(energy.alternatives)}", words, entry.standing))
    return lines


def _figures_of(entry: EnergySource) -> str:
    powers = [
        f"{name} {watts:.3g}"
        for name, watts in (("idle", entry.idle_w), ("load", entry.load_w))
        if watts is not None
    ]
    figure = with_ends(entry.value, entry.low, entry.high, millijoules)
    return ", ".join((figure, *powers)) + (" W" if powers else "")


def _named(source: str) -> str:
    """What a source is called, without what stands in parentheses behind it."""
    return source.partition(" (")[0]


def _battery(use: BatteryUse) -> list[Line]:
    cell = f"{use.capacity_mah:g} mAh at {use.voltage_v:g} V"
    if all(getattr(use, name) is None for name in _BATTERY_FIGURES):
        return [("battery", f"{cell}; how long it lasts is as unknown as the power", "unknown")]
    lines = [
        ("battery", f"{cell}, {use.efficiency:.0%} of it usable", ""),
        (
            "  1000 inferences",
            _figure(
                use.percent_per_1000, use.percent_per_1000_low, use.percent_per_1000_high, _percent
            ),
            use.evidence,
        ),
        (
            "  idle alone",
            _figure(use.hours_idle, use.hours_idle_low, use.hours_idle_high, hours),
            use.evidence,
        ),
        (
            "  continuous use",
            _figure(
                use.hours_continuous, use.hours_continuous_low, use.hours_continuous_high, hours
            ),
            use.evidence,
        ),
    ]
    if use.rate_hz is not None:
        share = use.idle_share_at_rate
        lines.append(
            (
                f"  at {rate_words(use.rate_hz)}",
                _figure(use.hours_at_rate, use.hours_at_rate_low, use.hours_at_rate_high, hours)
                + ("" if share is None else f"; idling takes {share:.0%} of it"),
                use.evidence,
            )
        )
    return lines


def _figure(
    value: float | None, low: float | None, high: float | None, form: Callable[[float], str]
) -> str:
    if value is not None:
        return with_ends(value, low, high, form)
    if high is not None:
        return f"at most {form(high)}: the idle power is not known"
    return "unknown"


def _ends(low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    """`  [190 to 230 mJ]`; nothing where there is one value."""
    return with_ends(0.0, low, high, form).removeprefix(form(0.0))


def _watts(watts: float) -> str:
    return f"{watts:.3g} W"


def _percent(value: float) -> str:
    return f"{value:.3g} %" if value < 1000 else f"{value:.0f} %"
