"""A published energy of an inference beside what is predicted for it, power and latency apart.

`python -m edge_deploy.prediction.tables.published_energy` prints the table in Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_deploy_runner.bench.percentiles import Estimate
from edge_deploy_runner.bench.records import Energy

from edge_deploy.catalogue import DeviceProfile, device_profile, profile_power
from edge_deploy.energy import PowerDraw, predicted_energy
from edge_deploy.prediction.choosing import choose, same_runs
from edge_deploy.prediction.features import features
from edge_deploy.prediction.latency.model import LatencyModel
from edge_deploy.prediction.leaning import estimated
from edge_deploy.prediction.networks.detectors import ssd_mobilenet_v1

DEVICE = "raspberry-pi-3b-plus"
THREADS = 4
# SSD MobileNet v1 on a Raspberry Pi 3 that idles at 1.9 W: latency and energy above idle as
# published. Threads, runtime and dtype were not given with them.
PUBLISHED_MS = 427.0
PUBLISHED_MWH = 0.31
MJ_PER_MWH = 3600.0


@dataclass(frozen=True)
class Compared:
    """A latency and where it is from, and the energy above idle that the power model makes of it.

    `threads` is the number of busy cores that the power is of; `dtype` is "" for the published
    latency.
    """

    source: str
    dtype: str
    threads: int
    latency: Estimate
    energy: Energy


def compared() -> tuple[Compared, ...]:
    """The published latency first, then what is predicted for each dtype, runtime and threads."""
    device = device_profile(DEVICE)
    published = Estimate(PUBLISHED_MS)
    found = [
        Compared(
            "published", "", THREADS, published,
            predicted_energy(_power(device, THREADS), published, "measured"),
        )
    ]  # fmt: skip
    values = features(ssd_mobilenet_v1("SSD MobileNet v1"))
    for model in _models(device):
        interval = estimated(model, values)
        latency = Estimate(interval.value, interval.low, interval.high)
        energy = predicted_energy(_power(device, model.threads), latency)
        source = f"predicted, {model.runtime}"
        found.append(Compared(source, model.dtype, model.threads, latency, energy))
    return tuple(found)


def markdown() -> str:
    """The table: latency in ms, energy in mWh, each with its interval."""
    lines = [
        f"SSD MobileNet v1 (300 x 300) on {device_profile(DEVICE).name}; published: "
        f"{PUBLISHED_MS:.0f} ms and {PUBLISHED_MWH:g} mWh above idle",
        "",
        "| latency | dtype | threads | ms | mWh above idle | from the published energy |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in compared():
        mwh = [
            None if mj is None else mj / MJ_PER_MWH
            for mj in (row.energy.mj_per_inference, row.energy.low, row.energy.high)
        ]
        assert mwh[0] is not None
        lines.append(
            f"| {row.source} | {row.dtype or 'not given'} | {row.threads} "
            f"| {_figure((row.latency.value, row.latency.low, row.latency.high), '.0f')} "
            f"| {_figure(mwh, '.2f')} | {mwh[0] / PUBLISHED_MWH - 1:+.0%} |"
        )
    return "\n".join(lines) + "\n"


def _models(device: DeviceProfile) -> list[LatencyModel]:
    """Every runtime's and dtype's coefficients, the fewest threads first."""
    runs: dict[tuple[str, str], tuple[LatencyModel, ...]] = {}
    for dtype in ("float32", "int8"):
        found = choose(device, dtype)
        for model in found:
            runs.setdefault((dtype, model.runtime), same_runs(model, found))
    return [model for models in runs.values() for model in models]


def _power(device: DeviceProfile, threads: int) -> PowerDraw:
    draw = profile_power(device, threads)
    assert draw is not None
    return draw


def _figure(figure: list[float | None] | tuple[float | None, ...], form: str) -> str:
    value, low, high = (None if number is None else format(number, form) for number in figure)
    return f"{value}" if low is None or low == high else f"{value} [{low} to {high}]"


if __name__ == "__main__":
    print(markdown(), end="")
