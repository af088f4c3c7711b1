"""The latency entries of a device file, which are many and are read when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.toml import tomllib

if TYPE_CHECKING:
    from edge_deploy.prediction.latency.model import LatencyModel

from .profile import CLUSTER_NAMES


class LatencyEntries(Sequence["LatencyModel"]):
    """Latency models that are parsed once, when the first of them is asked for.

    Looking at one raises `BadInputError` where the file is damaged.
    """

    def __init__(self, parse: Callable[[], tuple[LatencyModel, ...]]) -> None:
        self._parse = parse

    @cached_property
    def _models(self) -> tuple[LatencyModel, ...]:
        return self._parse()

    @overload
    def __getitem__(self, index: int) -> LatencyModel: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LatencyModel, ...]: ...
    def __getitem__(self, index: int | slice) -> LatencyModel | tuple[LatencyModel, ...]:
        return self._models[index]

    def __len__(self) -> int:
        return len(self._models)


def parse_entries(above: object, below: str, cores: int, origin: str) -> tuple[LatencyModel, ...]:
    """The latency models of a file: `above` as people wrote them, and the text `below` the marker.

    `cores` is how many the device has.
    """
    from edge_deploy.prediction.latency.entry import from_entry

    try:
        document = tomllib.loads(below)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{origin} is not TOML below its marker line: {error}") from error
    strange = [key for key in document if key != "latency"]
    if strange:
        raise BadInputError(
            f"{origin} has {strange[0]!r} below its marker line, where only [[latency]] may stand; "
            "move it above the line"
        )
    entries = [*_list(above, origin), *_list(document.get("latency", []), origin)]
    found: dict[tuple[object, ...], int] = {}
    models = []
    for number, entry in enumerate(entries, 1):
        where = f"{origin}: latency entry {number}"
        model = from_entry(entry, where)
        if model.cluster not in CLUSTER_NAMES:
            raise BadInputError(
                f"{where}: cluster is {model.cluster!r}; valid: {', '.join(CLUSTER_NAMES)}"
            )
        if not 1 <= model.threads <= cores:
            raise BadInputError(
                f"{where}: threads is {model.threads}; this device has {cores} cores, so it needs "
                f"1 to {cores}"
            )
        key = (model.cluster, model.dtype, model.threads, model.runtime, model.delegate)
        if key in found:
            raise BadInputError(
                f"{where} says the same as entry {found[key]}: cluster {model.cluster}, "
                f"{model.dtype}, threads {model.threads}, {model.runtime}, {model.delegate}; "
                "delete one of them"
            )
        found[key] = number
        models.append(model)
    return tuple(models)


def _list(entries: object, origin: str) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInputError(f"{origin}: latency is no list of tables; write [[latency]] above each")
    return entries
