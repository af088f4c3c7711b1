"""How energy and batteries look in a terminal: every figure with its ends and its evidence."""

from __future__ import annotations

from collections.abc import Callable

from edge_deploy_runner.bench.records import BatteryUse, Energy, EnergySource


def energy_lines(energy: Energy, battery: BatteryUse | None) -> list[tuple[str, str, str]]:
    """Rows of a table: what it is, its value with low and high, and its evidence ("" for none)."""
    return [*_energy(energy), *(_battery(battery) if battery else ())]


def millijoules(mj: float) -> str:
    """Three digits, in joules from 1000 mJ on."""
    return f"{mj / 1000:.3g} J" if abs(mj) >= 1000 else f"{mj:.3g} mJ"


def hours(value: float) -> str:
    """Hours with one decimal; minutes under an hour."""
    return f"{value:.1f} h" if value >= 1 else f"{value * 60:.3g} min"


def _energy(energy: Energy) -> list[tuple[str, str, str]]:
    if energy.mj_per_inference is None:
        return [("energy", energy.reason, energy.evidence)]
    lines = [
        (
            "energy",
            f"{millijoules(energy.mj_per_inference)} an inference above idle"
            + _ends(energy.low, energy.high, millijoules),
            energy.evidence,
        )
    ]
    if energy.gross_mj_per_inference is not None:
        lines.append(
            (
                "  with idle power",
                millijoules(energy.gross_mj_per_inference)
                + _ends(energy.gross_low, energy.gross_high, millijoules),
                energy.evidence,
            )
        )
    if energy.idle_w is None:
        lines.append(("  idle power", "unknown", "unknown"))
    else:
        lines.append(
            (
                "  idle power",
                _watts(energy.idle_w) + _ends(energy.idle_w_low, energy.idle_w_high, _watts),
                energy.evidence,
            )
        )
    if energy.source and not energy.alternatives:
        lines.append(("  source", energy.source, ""))
    for number, entry in enumerate(energy.alternatives, 1):
        name = f"  source {number} of {len(energy.alternatives)}"
        lines.append((name, _said_by(entry), entry.standing))
    return lines


def _said_by(entry: EnergySource) -> str:
    parts = [millijoules(entry.value) + _ends(entry.low, entry.high, millijoules)]
    if entry.idle_w is not None:
        parts.append(f"idle {_watts(entry.idle_w)}")
    if entry.load_w is not None:
        parts.append(f"load {_watts(entry.load_w)}")
    return f"{', '.join(parts)}: {entry.source}"


def _battery(use: BatteryUse) -> list[tuple[str, str, str]]:
    lines = [
        (
            "battery",
            f"{use.capacity_mah:g} mAh at {use.voltage_v:g} V, {use.efficiency:.0%} of it usable",
            "",
        ),
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
                f"  at {use.rate_hz:.3g} a second",
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
        return form(value) + _ends(low, high, form)
    if high is not None:
        return f"at most {form(high)}: the idle power is not known"
    return "unknown"


def _ends(low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    """`  [190 to 230 mJ]`; nothing where there is one value."""
    if low is None or high is None or low == high:
        return ""
    first, last = form(low), form(high)
    unit = f" {last.rpartition(' ')[2]}"
    return f"  [{first.removesuffix(unit)} to {last}]"


def _watts(watts: float) -> str:
    return f"{watts:.3g} W"


def _percent(value: float) -> str:
    return f"{value:.3g} %" if value < 1000 else f"{value:.0f} %"
