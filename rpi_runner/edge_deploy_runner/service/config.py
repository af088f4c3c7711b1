"""service.toml: what `serve` reads, checked to the last key before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import Preprocessing, read_labels, read_preprocessing
from edge_deploy_runner.errors import BadInputError, UsageError
from edge_deploy_runner.sources.frames import EXISTING
from edge_deploy_runner.sources.opening import open_source
from edge_deploy_runner.tasks import TASKS
from edge_deploy_runner.toml import tomllib

from .decisions import Rule
from .keys import Keys
from .sink_config import SinkConfig, read_sink

_TOP_KEYS = (
    "model", "source", "task", "labels", "preprocess", "override", "threads", "threshold", "top",
    "interval", "existing", "give_up", "state_folder", "decision", "sink", "limits", "camera",
)  # fmt: skip


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
