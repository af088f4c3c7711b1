"""Device files with made-up coefficients, for tests of predictions that rest on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_deploy.catalogue import with_latency
from edge_deploy.prediction.latency.model import LatencyModel, Point

KINDS = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN", "AVERAGE_POOL_2D",
    "SOFTMAX", "RESHAPE",
)  # fmt: skip
_DEVICE = """id = "{id}"
name = "{name}"
kind = "{kind}"
soc = "a test chip"

[[clusters]]
name = "big"
cores = 8
core = "Cortex-A76"
max_mhz = 2400

[clusters_source]
source = "made up"
standing = "guess"

[facts]
{facts}
"""
FACTS = """idle_w = { value = [2.0, 2.4], source = "made up", standing = "guess" }
load_w = { value = [6.0, 7.0], source = "made up", standing = "guess" }
"""


def points(ms_per_mmac: float = 0.05, error: float = 0.1) -> tuple[Point, ...]:
    """Eight networks of two families whose held-out times are off by `error`, up and down."""
    found = []
    for number in range(8):
        mmac = 20.0 * (number + 1)
        ms = mmac * ms_per_mmac
        off = ms * (1 + error if number % 2 else 1 / (1 + error))
        found.append(Point(f"net-{number}", "ab"[number % 2], ms, {"dense_mmac": mmac}, off, off))
    return tuple(found)


def latency(
    ms_per_mmac: float = 0.05, dtype: str = "float32", threads: int = 4, **changes: object
) -> LatencyModel:
    """Coefficients that cost so much a million of multiply-accumulates, and nothing else."""
    found = LatencyModel(
        cluster="big",
        dtype=dtype,
        threads=threads,
        runtime="LiteRT 2.1",
        delegate="xnnpack",
        coefficients={"dense_mmac": ms_per_mmac},
        points=points(ms_per_mmac),
        made="2026-01-31",
        source="a table that was made up",
        standing="read",
        kinds=KINDS,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def write_device(
    folder: Path,
    models: Sequence[LatencyModel],
    device_id: str = "test-board",
    kind: str = "board",
    facts: str = FACTS,
    name: str = "Test Board",
) -> Path:
    """A device file with these coefficients in a folder for $EDGE_DEPLOY_DEVICES."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{device_id}.toml"
    text = _DEVICE.format(id=device_id, name=name, kind=kind, facts=facts)
    path.write_text(with_latency(text, models))
    return path
