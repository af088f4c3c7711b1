"""Tables of measured latencies and of networks' features, as CSV: read, checked and joined.

The package's own tables are read with this, and any others that have their columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.latency.fitting import DEFAULT_TERMS

from .csv_sheet import Sheet, read_sheet
from .names import family_of, plain_name

_NEEDED = ("model", "dtype", "device", "threads", "latency_ms", "runtime")
# Columns that say in their name how many ms one of theirs is.
_LATENCY_MS = {"latency_ms": 1.0, "latency_us": 1e-3, "latency_ns": 1e-6, "latency_s": 1e3}
for _micro in ("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"):
    _LATENCY_MS[f"latency_{_micro}s"] = 1e-3
_NOT_MEASURED = frozenset({"", "-", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na"})
_BASE_FEATURES = DEFAULT_TERMS[:5]
_DTYPES = {
    "float": "float32", "fp32": "float32", "f32": "float32", "fp16": "float16", "f16": "float16",
    "i8": "int8", "u8": "uint8",
}  # fmt: skip
# No network of the packaged table has a tenth of it.
_MOST_MILLIONS = 1e6
# Words that name what is no CPU, wherever a table puts them.
_NOT_THE_CPU = re.compile(
    r"(?i)\b(gpu|opencl|opengl|nnapi|npu|tpu|edge[\s_-]?tpu|dsp|hexagon|htp|qnn|core[\s_-]?ml|"
    r"neural engine|neuron|cuda|tensorrt)\b"
)


@dataclass(frozen=True)
class Latency:
    """One published latency; `threads` is as the table has it, "4" or a word.

    `unit` is what ran it, "CPU" or another's name.
    """

    model: str
    dtype: str
    device: str
    unit: str
    threads: str
    latency_ms: float
    runtime: str
    delegate: str
    note: str
    source: str


@dataclass(frozen=True)
class Network:
    """A network's features by name, and the family that errs together."""

    family: str
    features: dict[str, float]


def packaged_latencies() -> tuple[Latency, ...]:
    """The published latencies that this package carries, each with its source."""
    return parse_latencies(_packaged("latency.csv"), "the packaged table of latencies")


def packaged_networks() -> dict[str, Network]:
    """Features of the networks in the packaged tables, by their names there."""
    return parse_networks(_packaged("model_features.csv"), "the packaged table of features")


def read_latencies(path: Path) -> tuple[Latency, ...]:
    """Latencies of a CSV file; raises `BadInputError`. See `parse_latencies`."""
    return parse_latencies(_text(path, "table"), f"the table {path}")


def read_networks(path: Path) -> dict[str, Network]:
    """Features of a CSV file; raises `BadInputError`. See `parse_networks`."""
    return parse_networks(_text(path, "features"), f"the features {path}")


def parse_latencies(text: str, origin: str) -> tuple[Latency, ...]:
    """Rows with the columns model, dtype, device, threads, latency_ms and runtime.

    Others may be there: unit (CPU if not), delegate, date (then a part of the runtime's name),
    note, source, and input, which then follows the model's name after an @. A row without a
    latency (an empty cell, a dash, n/a) is one that nobody measured, and left out. Times may stand
    in latency_us, latency_ns or latency_s instead. What ran on no CPU says so by its unit or its
    delegate, or without a unit by the name of its runtime or device. Between cells there are
    commas, or else semicolons or tabs, which allow decimal commas. Raises `BadInputError`.
    """
    sheet = read_sheet(text, (*_NEEDED, *_LATENCY_MS), _LATENCY_MS, origin)
    column = _latency_column(sheet)
    found = []
    for line, row in sheet.rows:
        if row[column].lower() in _NOT_MEASURED:
            continue
        where = f"{origin}, line {line}"
        latency = _figure(row[column], column, where) * _LATENCY_MS[column]
        if latency <= 0:
            raise BadInputError(f"{where}: {column} is {row[column]}; it must be above 0")
        for key in ("model", "dtype", "device", "runtime"):
            if not row[key]:
                raise BadInputError(f"{where}: {key} is empty")
        date, shape = row.get("date", ""), row.get("input", "")
        found.append(
            Latency(
                model=f"{row['model']}@{shape}" if shape else row["model"],
                dtype=_DTYPES.get(row["dtype"].lower(), row["dtype"].lower()),
                device=row["device"],
                unit=_unit(row),
                threads=re.sub(r"\.0+$", "", row["threads"]),
                latency_ms=latency,
                runtime=f"{row['runtime']}, {date}" if date else row["runtime"],
                delegate=row.get("delegate", ""),
                note=row.get("note", ""),
                source=row.get("source", ""),
            )
        )
    if not found:
        raise BadInputError(f"{origin} has no rows with a latency")
    return tuple(found)


def _latency_column(sheet: Sheet) -> str:
    given = [name for name in _LATENCY_MS if name in sheet.columns]
    if len(given) > 1:
        raise BadInputError(
            f"{sheet.origin} has the times twice, as {' and as '.join(given)}; leave one of them"
        )
    unsaid = [name for name in sheet.columns if name in ("latency", "time")]
    if unsaid and not given:
        raise BadInputError(
            f"{sheet.origin} has a column {unsaid[0]}, whose name does not say its unit; call it "
            "latency_ms, latency_us, latency_ns or latency_s"
        )
    column = given[0] if given else "latency_ms"
    sheet.require([column if name == "latency_ms" else name for name in _NEEDED])
    return column


def _unit(row: Mapping[str, str]) -> str:
    unit = row.get("unit", "")
    # Runtimes and devices are named after what they have beside the CPU, too.
    for key in ("delegate",) if unit else ("delegate", "runtime", "device"):
        named = _NOT_THE_CPU.search(row.get(key, ""))
        if named and (unit or "CPU").upper() == "CPU":
            return named[1]
    return unit or "CPU"


def parse_networks(text: str, origin: str) -> dict[str, Network]:
    """Rows with model and a column for each feature; family is taken from the name if missing.

    Cells are separated as in `parse_latencies`. Raises `BadInputError`.
    """
    needed = ("model", *_BASE_FEATURES)
    sheet = read_sheet(text, needed, DEFAULT_TERMS, origin)
    sheet.require(needed)
    found: dict[str, Network] = {}
    for line, row in sheet.rows:
        where = f"{origin}, line {line}"
        values = {
            name: _figure(row[name], name, where) for name in DEFAULT_TERMS if row.get(name, "")
        }
        for name, value in values.items():
            if value < 0:
                raise BadInputError(f"{where}: {name} is negative, {value}")
            if value > _MOST_MILLIONS:
                raise BadInputError(
                    f"{where}: {name} is {row[name]}, which no network has in millions; divide the "
                    "column by 1e6"
                )
        missing = [name for name in _BASE_FEATURES if name not in values]
        if missing:
            raise BadInputError(f"{where}: {missing[0]} is empty")
        if not values["dense_mmac"] + values["depthwise_mmac"] + values["fc_mmac"]:
            raise BadInputError(f"{where}: {row['model']} multiplies nothing (zero MACs)")
        network = Network(row.get("family", "") or family_of(row["model"]), values)
        if found.get(row["model"], network) != network:
            raise BadInputError(f"{where}: {row['model']} stands there twice, with other figures")
        found[row["model"]] = network
    if not found:
        raise BadInputError(f"{origin} has no rows")
    return found


def completed(networks: Mapping[str, Network]) -> dict[str, Network]:
    """Networks with the features that their table lacks, where the package knows the same one.

    Known is a network of the same `plain_name` whose other figures agree within 2%. A family that
    the package has, too, gets the name that it has there.
    """
    known = packaged_networks()
    families = _family_names(known)
    plainly = {plain_name(name): network for name, network in known.items()}
    found = {}
    for name, network in networks.items():
        same = known.get(name) or plainly.get(plain_name(name))
        agrees = same is not None and all(
            math.isclose(value, same.features.get(key, 0.0), rel_tol=0.02, abs_tol=0.05)
            for key, value in network.features.items()
        )
        if same is not None and agrees:
            found[name] = Network(same.family, {**same.features, **network.features})
        else:
            family = families.get(plain_name(network.family), network.family)
            found[name] = replace(network, family=family)
    return found


def _family_names(networks: Mapping[str, Network]) -> dict[str, str]:
    """The families of networks by their own plain names, and by those that the networks tell."""
    told: dict[str, set[str]] = {}
    for name, network in networks.items():
        told.setdefault(plain_name(family_of(name)), set()).add(network.family)
    found = {name: families.pop() for name, families in told.items() if len(families) == 1}
    return found | {plain_name(network.family): network.family for network in networks.values()}


def _packaged(name: str) -> str:
    return (resources.files("edge_deploy") / "reference" / name).read_text("utf-8")


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise BadInputError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"the {what} {path} is not UTF-8 text ({error.reason} at byte {error.start}); save it "
            "as CSV in UTF-8"
        ) from error


def _figure(text: str, key: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(f"{where}: {key} is {text!r}, not a figure")
    return value
