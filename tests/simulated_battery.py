"""A phone's battery and rails by a small physics model, in the words of its maker.

What comes out is the text that the sampler's loop would have printed on such a phone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from edge_deploy_android.power.windows import Window, plan_windows
from numpy.typing import NDArray

_STEP_S = 0.25
_BEGIN_S = 5000.0
_CAPACITY_C = 4500 * 3.6  # 4,500 mAh


@dataclass(frozen=True)
class Maker:
    """How a phone tells of itself; 0 for a place where it tells nothing.

    Units are how many of them make an ampere, a coulomb (uAh: 1 / 3.6e-3) or a volt.
    """

    current_per_a: float = -1e6
    current_step: int = 1
    current_every_s: float = 0.0
    current_lag_s: float = 0.0
    charge_per_c: float = 1 / 3.6e-3
    charge_counts_up: bool = False
    charge_step: int = 1
    refreshed_every_s: float = 0.0
    volts_unit: float = 1e3
    rails_share: float = 0.0
    plugged: str = ""
    status: int = 3
    rising: bool = False


@dataclass(frozen=True)
class Work:
    """What the phone does: its power, how it wanders, and how long a run of the model takes.

    `tail` is the share of the load's power that it still takes for seconds after the load.
    """

    idle_w: float = 0.9
    load_w: float = 3.4
    noise: float = 0.06
    drift: float = 0.05
    tail: float = 0.0
    run_s: float = 0.02

    @property
    def mj_per_run(self) -> float:
        """The truth."""
        return (self.load_w - self.idle_w) * self.run_s * 1e3


def simulate(
    maker: Maker, work: Work, seed: int,
    *, pairs: int = 4, window_s: float = 60.0, interval_s: float = 2.0,
) -> tuple[str, tuple[Window, ...]]:  # fmt: skip
    """What the sampler printed, and the windows as the harness would have told them."""
    random = np.random.default_rng(seed)
    windows, moment = [], _BEGIN_S + 8.0
    for plan in plan_windows(pairs, window_s):
        end = moment + plan.seconds + random.uniform(0, 0.02)
        runs = round((end - moment) / work.run_s) if plan.kind == "load" else 0
        windows.append(Window(plan.kind, moment, end, runs))
        moment = end + random.uniform(0.01, 0.1)
    times = np.arange(_BEGIN_S, moment + 4.0, _STEP_S)
    volts, amperes = _battery(_power(times, windows, work, random))
    text = _spoken(maker, times, volts, amperes, interval_s, random)
    return text, tuple(windows)


def _power(
    times: NDArray[np.float64], windows: list[Window], work: Work, random: np.random.Generator
) -> NDArray[np.float64]:
    watts = np.full(len(times), work.idle_w)
    for window in windows:
        if window.kind == "load":
            watts[(times >= window.begin_s) & (times < window.end_s)] = work.load_w
            after = times >= window.end_s
            watts[after] = work.idle_w + work.tail * (work.load_w - work.idle_w) * np.exp(
                -(times[after] - window.end_s) / 4.0
            )
    # Other programs come and go for some seconds each, and warmth makes everything leak more.
    wander = np.zeros(len(times))
    shocks = random.normal(0, work.noise * np.sqrt(2 * _STEP_S / 4.0), len(times))
    for index in range(1, len(times)):
        wander[index] = wander[index - 1] * (1 - _STEP_S / 4.0) + shocks[index]
    drift = 1 + work.drift * (times - times[0]) / (times[-1] - times[0])
    return np.maximum(watts * drift * (1 + wander), 0.03)


def _battery(watts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Volts and amperes: an open-circuit voltage that falls, and 90 milliohms inside."""
    volts, amperes = np.empty(len(watts)), np.empty(len(watts))
    used = 0.0
    for index, power in enumerate(watts):
        open_v = 4.05 - 0.7 * used / _CAPACITY_C
        amperes[index] = (open_v - np.sqrt(open_v**2 - 4 * 0.09 * power)) / (2 * 0.09)
        volts[index] = open_v - 0.09 * amperes[index]
        used += amperes[index] * _STEP_S
    return volts, amperes


def _spoken(
    maker: Maker, times: NDArray[np.float64], volts: NDArray[np.float64],
    amperes: NDArray[np.float64], interval_s: float, random: np.random.Generator,
) -> str:  # fmt: skip
    used_c = np.concatenate([[0.0], np.cumsum(amperes * _STEP_S)])[:-1]
    used_j = np.concatenate([[0.0], np.cumsum(amperes * volts * _STEP_S)])[:-1]
    gauged = _filtered(amperes, maker.current_lag_s) * (1 + random.normal(0, 0.01, len(times)))
    lines = []
    moment = times[0] + 0.5
    while moment < times[-1] - 1:
        service = _index(times, moment, maker.refreshed_every_s)
        gauge = _index(times, moment, maker.current_every_s)
        lines.append(f"#edge-deploy look {moment:.2f}")
        current = _quantised(gauged[gauge] * maker.current_per_a, maker.current_step)
        if maker.current_per_a:
            lines.append(f"cmd current_now={current}")
        left_c = used_c[service] if maker.charge_counts_up else 0.6 * _CAPACITY_C - used_c[service]
        percent = 60 - 100 * used_c[service] / _CAPACITY_C * (-8 if maker.rising else 1)
        lines += [
            "Current Battery Service state:",
            f"  AC powered: {'true' if maker.plugged == 'AC' else 'false'}",
            f"  USB powered: {'true' if maker.plugged == 'USB' else 'false'}",
            "  Wireless powered: false",
            f"  Charge counter: {_quantised(left_c * maker.charge_per_c, maker.charge_step)}",
            f"  status: {maker.status}",
            "  health: 2",
            "  present: true",
            f"  level: {int(percent)}",
            "  scale: 100",
            f"  voltage: {round(volts[service] * maker.volts_unit)}",
            "  temperature: 305",
            "  technology: Li-ion",
        ]
        if maker.rails_share:
            lines.append("============= PowerStats HAL 2.0 energy meter ==============")
            now_j = maker.rails_share * used_j[_index(times, moment, 0.0)]
            for name, share in (("CPU(BIG)", 0.5), ("CPU(LITTLE)", 0.2), ("DDR", 0.3)):
                # The phone works its mWs out of uWs in 32-bit floats.
                mws = float(np.float32(5e9 + now_j * share * 1e6)) / 1000
                lines.append(f"  [RAIL_{name}]:{name}   {mws:14.2f} mWs")
            lines.append("========== End of PowerStats HAL 2.0 energy meter ==========")
        took_s = random.uniform(0.03, 0.09)
        lines.append(f"#edge-deploy done {moment + took_s:.2f}")
        moment += interval_s + took_s
    return "\n".join(lines) + "\n"


def _filtered(amperes: NDArray[np.float64], lag_s: float) -> NDArray[np.float64]:
    """What a gauge shows that averages over some time."""
    if not lag_s:
        return amperes
    found = amperes.copy()
    for index in range(1, len(found)):
        found[index] = found[index - 1] + (amperes[index] - found[index - 1]) * _STEP_S / lag_s
    return found


def _index(times: NDArray[np.float64], moment: float, every_s: float) -> int:
    """The step whose values a place shows that is only refreshed now and then."""
    if every_s:
        moment = times[0] + (moment - times[0]) // every_s * every_s
    return int(np.searchsorted(times, moment, side="right")) - 1


def _quantised(value: float, step: int) -> int:
    return int(value // step) * step
