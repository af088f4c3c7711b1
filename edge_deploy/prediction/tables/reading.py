"""Tables of measured latencies and of networks' features, as CSV: read, checked and joined.

The package's own tables are read with this, and any others that have their columns.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from edge_deploy_runner.errors import BadInputError

from edge_deploy.prediction.latency.fitting import DEFAULT_TERMS
from edge_deploy.prediction.latency.model import Point

_NEEDED = ("model", "dtype", "device", "threads", "latency_ms", "runtime")
_BASE_FEATURES = DEFAULT_TERMS[:5]
_DTYPES = {"fp32": "float32", "fp16": "float16"}
# No network of the packaged table has a tenth of it.
_MOST_MILLIONS = 1e6
# Words that name what is no CPU, wherever a table puts them.
_NOT_THE_CPU = re.compile(
    r"(?i)\b(gpu|opencl|opengl|nnapi|npu|tpu|edge[\s_-]?tpu|dsp|hexagon|htp|qnn|core[\s_-]?ml|"
    r"neural engine|neuron|cuda|tensorrt)\b"
)
# Words that sizes and variants of one family of networks are called by.
_SIZES = re.compile(r"(?i)[\s_-]*(mobile|large|small|tiny|mini|lite\d*x?|quant\w*)$")


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
class Group:
    """What is fitted together: one device, dtype, number of threads, runtime and delegate."""

    device: str
    dtype: str
    threads: str
    runtime: str
    delegate: str

    def name(self) -> str:
        """For messages and tables."""
        threads = self.threads or "unknown"
        unit = "thread" if threads == "1" else "threads"
        return f"{self.device}, {self.dtype}, {threads} {unit}, {self.runtime}"


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
    return parse_latencies(_text(path), f"the table {path}")


def read_networks(path: Path) -> dict[str, Network]:
    """Features of a CSV file; raises `BadInputError`. See `parse_networks`."""
    return parse_networks(_text(path), f"the table {path}")


def parse_latencies(text: str, origin: str) -> tuple[Latency, ...]:
    """Rows with the columns model, dtype, device, threads, latency_ms and runtime.

    Others may be there: unit (CPU if not), delegate, date (then a part of the runtime's name),
    note, source, and input, which then follows the model's name after an @. A row without a
    latency is one that nobody measured, and left out. What ran on no CPU says so by its unit or its
    delegate, or without a unit by the name of its runtime or device.
    """
    found = []
    for line, row in _rows(text, _NEEDED, origin):
        if not row["latency_ms"]:
            continue
        where = f"{origin}, line {line}"
        latency = _figure(row["latency_ms"], "latency_ms", where)
        if latency <= 0:
            raise BadInputError(f"{where}: latency_ms is {row['latency_ms']}; it must be above 0")
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
                threads=row["threads"],
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


def _unit(row: Mapping[str, str]) -> str:
    unit = row.get("unit", "")
    # Runtimes and devices are named after what they have beside the CPU, too.
    for key in ("delegate",) if unit else ("delegate", "runtime", "device"):
        named = _NOT_THE_CPU.search(row.get(key, ""))
        if named and (unit or "CPU").upper() == "CPU":
            return named[1]
    return unit or "CPU"


def parse_networks(text: str, origin: str) -> dict[str, Network]:
    """Rows with model and a column for each feature; family is taken from the name if missing."""
    found: dict[str, Network] = {}
    for line, row in _rows(text, ("model", *_BASE_FEATURES), origin):
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


def family_of(model: str) -> str:
    """The family of a network by its name: without its sizes, in small letters.

    The packaged table's own families are used for the names that it has.
    """
    name = model.split("@", maxsplit=1)[0]
    if match := re.match(r"(?i)(mobilenet)[\s_-]*(v\d|edgetpu)", name):
        return f"{match[1]}{match[2]}".lower()
    name = re.split(r"(?i)[\s_-]*v?\d", name)[0] or name
    while _SIZES.search(name):
        name = _SIZES.sub("", name)
    return re.sub(r"[\s_-]+", "-", name).strip("-").lower() or model


def completed(networks: Mapping[str, Network]) -> dict[str, Network]:
    """Networks with the features that their table lacks, where the package knows the same one.

    Known is a network of the same name whose other figures agree within 2%. A family that the
    package has, too, gets the name that it has there.
    """
    known = packaged_networks()
    families = _family_names(known)
    found = {}
    for name, network in networks.items():
        same = known.get(name)
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


def plain_name(name: str) -> str:
    """A name in small letters, without the marks between its words."""
    return re.sub(r"[\s_-]+", "", name).lower()


def groups(
    latencies: Iterable[Latency], networks: Mapping[str, Network]
) -> tuple[dict[Group, tuple[Point, ...]], tuple[str, ...]]:
    """Points that may be fitted together, and a sentence for each kind of row left out.

    Only what ran on the CPU, has a dtype that is certain and features. Two rows of one model in
    a group count as one, with the lesser time, and a sentence says so.
    """
    found: dict[Group, dict[str, Point]] = {}
    units: dict[str, int] = {}
    unknown: dict[str, int] = {}
    unsure: dict[str, int] = {}
    again = 0
    for row in latencies:
        network = networks.get(row.model) or networks.get(row.model.split("@")[0])
        if row.unit.upper() != "CPU":
            units[row.unit] = units.get(row.unit, 0) + 1
        elif "?" in row.dtype:
            unsure[row.dtype] = unsure.get(row.dtype, 0) + 1
        elif network is None:
            unknown[row.model] = unknown.get(row.model, 0) + 1
        else:
            group = Group(row.device, row.dtype, row.threads, row.runtime, row.delegate)
            point = Point(
                row.model, network.family, row.latency_ms, network.features, runtime=row.runtime
            )
            points = found.setdefault(group, {})
            name = plain_name(row.model)
            before = points.get(name)
            again += before is not None
            if before is None or row.latency_ms < before.measured_ms:
                points[name] = point
    notes = [
        f"{_rows_of(count)} of {unit}: how a network is split there cannot be predicted"
        for unit, count in units.items()
    ]
    notes += [
        f"{_rows_of(count)} whose dtype is not certain ({dtype})" for dtype, count in unsure.items()
    ]
    if unknown:
        notes.append(
            f"{_rows_of(sum(unknown.values()))} of networks without features: "
            f"{', '.join(sorted(unknown))}"
        )
    if again:
        notes.append(
            f"{_rows_of(again)} of a model that its device, dtype, threads and runtime have "
            "already: the least time counts"
        )
    return {group: tuple(points.values()) for group, points in found.items()}, tuple(notes)


def _rows_of(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def terms_of(points: Iterable[Point]) -> tuple[str, ...]:
    """The default terms that every point has."""
    points = tuple(points)
    return tuple(name for name in DEFAULT_TERMS if all(name in point.features for point in points))


def _packaged(name: str) -> str:
    return (resources.files("edge_deploy") / "reference" / name).read_text("utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise BadInputError(f"cannot read the table {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"the table {path} is not UTF-8 text: {error}") from error


def _rows(text: str, needed: Iterable[str], origin: str) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = [column.strip().lower() for column in reader.fieldnames or ()]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise BadInputError(
            f"{origin} lacks the column {missing[0]}; it needs {', '.join(needed)}, separated by "
            "commas, named in its first line"
        )
    reader.fieldnames = columns
    for row in reader:
        if None in row or None in row.values():
            raise BadInputError(
                f"{origin}, line {reader.line_num}: its number of fields is not that of the "
                "first line"
            )
        yield reader.line_num, {key: value.strip() for key, value in row.items()}


def _figure(text: str, key: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(f"{where}: {key} is {text!r}, not a figure")
    return value
