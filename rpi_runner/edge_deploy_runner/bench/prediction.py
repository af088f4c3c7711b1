"""A prediction in the place of a measurement: the figures, how far off they may be, and why.

No model was run for it. The ends of its intervals are those that hold the truth with the
probability `COVERAGE`; they are not the 95% intervals of measured percentiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.json_reader import Reader

from .percentiles import PERCENTILES, Estimate

COVERAGE = 0.8
PREDICTED_PERCENTILES = ("p50", "p90")
_INTERVAL = f"interval{COVERAGE * 100:.0f}"
# What rounding may shift the end of an interval by, as a share of it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class NearModel:
    """A model whose time is known, on `device`: what the coefficients were fitted to.

    `device` is the catalogue's id: another than the prediction's own where coefficients were scaled
    from that one's; "" in records that do not say.
    """

    model: str
    measured_ms: float
    device: str = ""


@dataclass(frozen=True)
class OtherSource:
    """What other coefficients for the same run say, where they and the chosen ones disagree."""

    source: str
    runtime: str
    ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class Basis:
    """What a prediction rests on.

    `device` is the catalogue's id; `cluster` its cores that run the model; `models` how many
    measured models made the coefficients, `made` when, `like` the device whose coefficients they
    started from ("" for none), and `scale_note` how. `error` holds the fit's errors on models that
    were left out, as shares of the measured time, None where unknown. `standing` is that of the
    models' times: "measured" by the user, "read" at their source, "guess", or "simulated".
    `widened` says why the interval is wider than the fit's own; `other_runtimes` are those that as
    much is known of; `replace_with` is the command that measures instead.
    """

    device: str
    cluster: str
    runtime: str
    dtype: str
    threads: int
    delegate: str
    models: int
    error: dict[str, float | None]
    made: str
    like: str
    scale_note: str
    source: str
    standing: str
    nearest: tuple[NearModel, ...]
    widened: tuple[str, ...]
    tail: str
    memory: str
    others: tuple[OtherSource, ...]
    other_runtimes: tuple[str, ...]
    replace_with: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        record = asdict(self)
        for key in ("nearest", "widened", "others", "other_runtimes"):
            record[key] = list(record[key])
        return record

    @classmethod
    def read(cls, reader: Reader) -> Basis:
        """The basis in a JSON object; raises `BadInputError` for what is missing or is nonsense."""
        error = reader.object("error")
        standing = reader.text("standing")
        if standing not in _STANDINGS:
            raise reader.failure("standing", f"is {standing!r}, not one of {', '.join(_STANDINGS)}")
        return cls(
            **{key: reader.text(key) for key in _TEXTS},
            threads=reader.integer("threads"),
            models=reader.integer("models"),
            error={key: error.optional_number(key) for key in error.values},
            nearest=tuple(
                NearModel(
                    entry.text("model"), entry.number("measured_ms"), entry.text("device", ""),
                )
                for entry in reader.objects("nearest")
            ),
            widened=tuple(reader.texts("widened")),
            others=tuple(
                OtherSource(
                    entry.text("source"), entry.text("runtime"), entry.number("ms"),
                    entry.number("low_ms"), entry.number("high_ms"),
                )
                for entry in reader.objects("others")
            ),
            other_runtimes=tuple(reader.texts("other_runtimes")),
        )  # fmt: skip


_STANDINGS = ("measured", "read", "guess", "simulated")
_TEXTS = (
    "device", "cluster", "runtime", "dtype", "delegate", "made", "like", "scale_note", "source",
    "standing", "tail", "memory", "replace_with",
)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """Predicted figures: `latency` has "p50" and "p90" in ms, `peak_memory` is in bytes.

    Every estimate has both its ends, above 0; `coverage` is the share of models whose p50 lies
    between them. Raises `BadInputError` for ends that do not hold their value.
    """

    latency: dict[str, Estimate]
    peak_memory: Estimate
    basis: Basis
    coverage: float = COVERAGE

    def __post_init__(self) -> None:
        if self.coverage != COVERAGE:
            raise BadInputError(
                f"a prediction's coverage is {self.coverage:g}; its intervals are those of "
                f"{COVERAGE:g}"
            )
        for name, found in (*self.latency.items(), ("peak_memory", self.peak_memory)):
            if not _holds_its_value(found):
                raise BadInputError(f"a prediction's {name} is {_nonsense(found)}")
        if {"p50", "p90"} <= self.latency.keys() and not _lies_above(
            self.latency["p90"], self.latency["p50"]
        ):
            raise BadInputError("a prediction's p90 lies below its p50, which cannot be")

    def percentiles(self) -> dict[str, Estimate | None]:
        """As a measurement has them: p50, p90, and None for what no prediction knows."""
        return {name: self.latency.get(name) for name in PERCENTILES}

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "latency_ms": {name: asdict(found) for name, found in self.latency.items()},
            "coverage": self.coverage,
            "peak_memory_bytes": asdict(self.peak_memory),
            "basis": self.basis.to_json(),
        }

    @classmethod
    def read(cls, reader: Reader) -> Prediction:
        """The prediction in a JSON object; raises `BadInputError` for one that cannot be."""
        if reader.number("coverage") != COVERAGE:
            raise reader.failure("coverage", f"is not {COVERAGE:g}, which all intervals have")
        return cls(
            latency=read_latency(reader.object("latency_ms")),
            peak_memory=_estimate(reader.object("peak_memory_bytes")),
            basis=Basis.read(reader.object("basis")),
        )


def read_latency(reader: Reader) -> dict[str, Estimate]:
    """The p50 and p90 of a prediction, with their ends."""
    found = {name: _estimate(reader.object(name)) for name in PREDICTED_PERCENTILES}
    if not _lies_above(found["p90"], found["p50"]):
        raise reader.failure("p90", "lies below the p50, which cannot be")
    return found


def predicted_latency_json(latency: Mapping[str, Estimate]) -> dict[str, Any]:
    """As `percentiles.latency_json`, with the ends under names that say what is known of them.

    `interval80` is p50's, the share of models in which was counted; the ends of p90 are those of
    p50 with a tail on top, whose share nobody has counted: a `range`.
    """
    ends = {name: [found.low, found.high] for name, found in latency.items()}
    return {
        **{name: latency[name].value if name in latency else None for name in PERCENTILES},
        "ci95": dict.fromkeys(PERCENTILES),
        _INTERVAL: {**dict.fromkeys(PERCENTILES), "p50": ends.get("p50")},
        "range": {**dict.fromkeys(PERCENTILES), "p90": ends.get("p90")},
    }


def is_latency_json(found: Mapping[str, Any], latency: Mapping[str, Estimate]) -> bool:
    """Whether a document's figures are those of `latency`, as written now or by older versions."""
    expected = predicted_latency_json(latency)
    if found == expected:
        return True
    ranges = expected.pop("range")
    return found == {**expected, _INTERVAL: {**expected[_INTERVAL], "p90": ranges["p90"]}}


def _estimate(reader: Reader) -> Estimate:
    found = Estimate(reader.number("value"), reader.number("low"), reader.number("high"))
    if not _holds_its_value(found):
        raise reader.failure("value", f"is {_nonsense(found)}")
    return found


def _holds_its_value(found: Estimate) -> bool:
    if found.low is None or found.high is None or not found.low > 0:
        return False
    slack = _ROUNDING * max(abs(found.low), abs(found.value), abs(found.high))
    return found.low - slack <= found.value <= found.high + slack


def _lies_above(p90: Estimate, p50: Estimate) -> bool:
    """Whether neither the value nor the high end is less."""
    assert p50.high is not None
    assert p90.high is not None
    return p90.value >= p50.value * (1 - _ROUNDING) and p90.high >= p50.high * (1 - _ROUNDING)


def _nonsense(found: Estimate) -> str:
    return f"{found.value:g} in an interval from {found.low} to {found.high}, which cannot be"
