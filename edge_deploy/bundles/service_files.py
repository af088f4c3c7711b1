"""What a bundle's service is made of: its service.toml and its systemd unit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.service.config import parse_service_config
from edge_deploy_runner.toml import tomllib

# A budget counts what the model adds; the service is Python, numpy, Pillow and the runtime as well.
PROCESS_BYTES = 96_000_000
# systemd's limit lies above the one that the process keeps, which can say why it ends.
_UNIT_MARGIN = 1.25


@dataclass(frozen=True)
class ServiceFiles:
    """The texts of both files; `needs_network` is true with an MQTT sink alone.

    `packages` are those that the service needs beyond what inference does.
    """

    config: str
    unit: str
    needs_network: bool
    packages: tuple[str, ...]
    memory_bytes: int | None
    warnings: tuple[str, ...]


def make_service(
    name: str,
    service: str | os.PathLike[str] | None,
    peak_memory_bytes: int | None,
) -> ServiceFiles:
    """Fill in the service of the model `name`: the user's service.toml, or one that watches.

    `peak_memory_bytes` is the budget's limit; a limit in the user's file goes before it. Raises
    `BadInputError` for a file that `serve` would refuse.
    """
    text = template("service.toml") if service is None else _read(Path(service))
    origin = "service.toml" if service is None else str(service)
    values = _parse(text, origin)
    for key in ("labels", "preprocess", "override"):
        if key in values:
            raise BadInputError(
                f"{origin}: leave {key} out, the model in a bundle carries its own; give them to "
                "`edge-deploy bundle` with --labels, --preprocess and --override"
            )
    text = _with_model(text, f"model/{name}.tflite", "model" in values)
    limits = values.get("limits", {})
    if peak_memory_bytes is not None and isinstance(limits, dict) and "memory" not in limits:
        text = _with_memory(text, peak_memory_bytes + PROCESS_BYTES)
    values = _parse(text, origin)
    config = parse_service_config(values, Path("/bundle/service.toml"), {})
    if config.model != Path("/bundle/model", f"{name}.tflite"):
        raise BadInputError(f"{origin}: write the model as a line model = ..., or leave it out")
    memory = config.memory_bytes
    network = any(sink.type == "mqtt" for sink in config.sinks)
    in_home = sorted(path for path in _texts(values) if re.search(r"(^|:)/(home|root)/", path))
    warnings = [
        f"the service uses {path}: it runs as a user of its own, which must be let into that folder"
        for path in in_home
    ]
    unit = _unit(name, network=network, memory_bytes=memory, reads_home=bool(in_home))
    packages = ("paho-mqtt",) if network else ()
    return ServiceFiles(text, unit, network, packages, memory, tuple(warnings))


def template(name: str) -> str:
    """A file of the package's `bundle_files`."""
    return (resources.files("edge_deploy") / "bundle_files" / name).read_text("utf-8")


def fill(text: str, values: dict[str, str]) -> str:
    """The text with `@KEY@` replaced by each value; other marks stay for the installer."""
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _unit(name: str, *, network: bool, memory_bytes: int | None, reads_home: bool) -> str:
    families = "AF_UNIX AF_NETLINK" + (" AF_INET AF_INET6" if network else "")
    memory = ""
    if memory_bytes is not None:
        memory = (
            "\n# Raspberry Pi OS boots without the memory controller; this does nothing then, but\n"
            "# the service keeps its own limit, [limits] memory in service.toml.\n"
            f"MemoryMax={int(memory_bytes * _UNIT_MARGIN)}\n"
        )
    values = {
        "NAME": name,
        "HOME": "read-only" if reads_home else "yes",
        "PRIVATE_NETWORK": "no" if network else "yes",
        "FAMILIES": families,
        "MEMORY": memory,
    }
    return fill(template("unit.service"), values)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise BadInputError(f"there is no service file at {path}; check the path") from None
    except UnicodeDecodeError:
        raise BadInputError(f"the service file {path} is not a text file") from None
    except OSError as error:
        raise BadInputError(
            f"the service file {path} cannot be read: {error.strerror or error}"
        ) from error


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInputError(f"{origin} is not TOML: {error}") from error


def _with_model(text: str, model: str, has_one: bool) -> str:
    text = text.replace("model/@MODEL@", model)
    if not has_one:
        return f'model = "{model}"\n{text}'
    # A function, as a replacement text would have its backslashes read.
    return re.sub(r"(?m)^model\s*=.*$", lambda _: f'model = "{model}"', text, count=1)


def _with_memory(text: str, memory_bytes: int) -> str:
    line = f'memory = "{memory_bytes} B"'
    if re.search(r"(?m)^\[limits\]", text):
        return re.sub(
            r"(?m)^\[limits\].*$", lambda found: f"{found.group(0)}\n{line}", text, count=1
        )
    return f"{text.rstrip()}\n\n[limits]\n{line}\n"


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []
