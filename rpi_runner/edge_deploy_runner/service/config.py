"""service.toml: what `serve` reads, checked to the last key before anything starts."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import Preprocessing, read_labels, read_preprocessing
from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.sources.frames import EXISTING, open_source
from edge_deploy_runner.tasks import TASKS
from edge_deploy_runner.toml import tomllib

from .decisions import Rule
from .sink_config import SinkConfig, read_sink

_TOP_KEYS = (
    "model", "source", "task", "labels", "preprocess", "override", "threads", "threshold", "top",
    "interval", "existing", "give_up", "state_folder", "decision", "sink", "limits", "camera",
)  # fmt: skip
_BYTES = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class ServiceConfig:
    """Everything `serve` needs to know; paths are absolute, times in seconds, sizes in bytes."""

    path: Path
    model: Path
    source: str
    task: str = "auto"
    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    override: bool = False
    threads: int | None = None
    threshold: float | None = None
    top: int = 1
    interval_s: float = 0.0
    existing: str = "skip"
    give_up_s: float = 60.0
    state_folder: Path | None = None
    rule: Rule = field(default_factory=Rule)
    sinks: tuple[SinkConfig, ...] = ()
    memory_bytes: int | None = None
    camera_size: tuple[int, int] = (640, 480)
    camera_rate: float | None = None


class Keys:
    """One table of the file: takes values out by key and type, and knows what is left over.

    Every wrong value raises `BadInputError` with the file, the key and what would be right.
    """

    def __init__(self, where: str, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self.where = where
        self.values = values
        for key in values:
            if key not in known:
                raise BadInputError(
                    f"{where}: unknown key {key!r}; valid keys: {', '.join(sorted(known))}"
                )

    def wrong(self, key: str, wanted: str) -> BadInputError:
        """The error for a value that is not what was wanted."""
        return BadInputError(f"{self.where}: {key} is {self.values[key]!r}; give {wanted}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; without a default it has to be there."""
        if key not in self.values:
            if default is None:
                raise BadInputError(f"{self.where}: {key} is missing")
            return default
        value = self.values[key]
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is absent."""
        return self.text(key) if key in self.values else None

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def integer(self, key: str, default: int, lowest: int, highest: int) -> int:
        """A whole number in a range."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise self.wrong(key, f"a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float) -> float | None:
        """A number in a range, or None where the key is absent."""
        if key not in self.values:
            return None
        value = self.values[key]
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not lowest <= value <= highest:
            raise self.wrong(key, f"a number from {lowest:g} to {highest:g}")
        return float(value)

    def seconds(self, key: str, default: float) -> float:
        """A time such as "5 s" in seconds."""
        value = self.values.get(key)
        if value is None:
            return default
        seconds = parse_quantity(value, _SECONDS)
        if seconds is None:
            raise self.wrong(key, f'a time such as "5 s", in {", ".join(_SECONDS)}')
        return seconds

    def bytes(self, key: str) -> int | None:
        """A size such as "200 MB" in bytes, or None where the key is absent."""
        value = self.values.get(key)
        if value is None:
            return None
        size = parse_quantity(value, _BYTES)
        if size is None or size < 1:
            raise self.wrong(key, f'a size such as "200 MB", in {", ".join(_BYTES)}')
        return int(size)

    def table(self, key: str, known: tuple[str, ...]) -> Keys:
        """A table below this one; an empty one where it is absent."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"a table, [{key}]")
        return Keys(f"{self.where}, [{key}]", value, known)


def parse_quantity(text: object, units: Mapping[str, float]) -> float | None:
    """The number that "200 MB" means in the smallest unit; None for what is no such text."""
    if not isinstance(text, str):
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None or match.group(2) not in units:
        return None
    value = float(match.group(1)) * units[match.group(2)]
    return value if math.isfinite(value) else None


def read_service_config(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> ServiceConfig:
    """The configuration in a service.toml; relative paths in it start at its own folder.

    `state_folder` is by default systemd's STATE_DIRECTORY. Raises `BadInputError`.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"there is no configuration at {path}; check the path") from None
    except OSError as error:
        raise BadInputError(
            f"the configuration {path} cannot be read: {error.strerror or error}"
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or no TOML
        raise BadInputError(f"the configuration {path} is no TOML: {error}") from error
    environment = os.environ if environment is None else environment
    return parse_service_config(values, path.absolute(), environment)


def parse_service_config(
    values: Mapping[str, Any], path: Path, environment: Mapping[str, str]
) -> ServiceConfig:
    """The configuration from plain values; reads the label and preprocessing files it names."""
    keys = Keys(path.name, values, _TOP_KEYS)
    folder = path.parent
    decision = keys.table("decision", ("frames", "cooldown"))
    limits = keys.table("limits", ("memory",))
    camera = keys.table("camera", ("size", "frames_per_second"))
    cooldown_s = decision.seconds("cooldown", 0.0)
    try:
        rule = Rule.parse(decision.text("frames", "1 of 1"), cooldown_s)
    except BadInputError as error:
        raise BadInputError(f"{decision.where}: {error}") from error
    labels = keys.optional_text("labels")
    preprocess = keys.optional_text("preprocess")
    state = keys.optional_text("state_folder")
    systemd_state = environment.get("STATE_DIRECTORY", "").split(":")[0]
    sinks = keys.values.get("sink", [])
    if not isinstance(sinks, list) or not all(isinstance(sink, dict) for sink in sinks):
        raise keys.wrong("sink", "tables, each under [[sink]]")
    config = ServiceConfig(
        path=path,
        model=folder / keys.text("model"),
        source=_source(keys.text("source"), folder),
        task=keys.choice("task", TASKS, "auto"),
        labels=read_labels(folder / labels) if labels else None,
        preprocessing=_preprocessing(preprocess, folder) if preprocess else None,
        override=keys.flag("override"),
        threads=keys.integer("threads", 1, 1, 64) if "threads" in keys.values else None,
        threshold=keys.number("threshold", 0, 1),
        top=keys.integer("top", 1, 1, 1000),
        interval_s=keys.seconds("interval", 0.0),
        existing=keys.choice("existing", EXISTING, "skip"),
        give_up_s=keys.seconds("give_up", 60.0),
        state_folder=folder / (state or systemd_state) if state or systemd_state else None,
        rule=rule,
        memory_bytes=limits.bytes("memory"),
        camera_size=_size(camera),
        camera_rate=camera.number("frames_per_second", 0.01, 1000),
    )
    read = tuple(
        read_sink(Keys(f"{path.name}, [[sink]] {i}", sink, tuple(sink)), folder)
        for i, sink in enumerate(sinks, 1)
    )
    open_source(config.source)  # opens nothing yet, but knows names that are none
    return replace(config, sinks=read)


def _size(camera: Keys) -> tuple[int, int]:
    text = camera.text("size", "640x480")
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if match is None:
        raise camera.wrong("size", 'width and height such as "640x480"')
    return int(match.group(1)), int(match.group(2))


def _preprocessing(text: str, folder: Path) -> Preprocessing:
    is_file = Path(text).suffix in (".json", ".toml")
    try:
        return read_preprocessing(str(folder / text) if is_file else text)
    except UsageError as error:  # in a file it is bad input
        raise BadInputError(str(error)) from error


def _source(text: str, folder: Path) -> str:
    """The source with relative paths made absolute; cameras as they are."""
    scheme, colon, rest = text.partition(":")
    if scheme in ("camera", "picamera") or text.startswith("/"):
        return text
    if scheme == "watch" and colon:
        return f"watch:{folder / rest}" if rest else text
    return str(folder / text)
