"""The [[sink]] tables of service.toml, and the sinks that they describe."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_deploy_runner.errors import BadInputError

from .sinks import KINDS, Sink

if TYPE_CHECKING:
    from .keys import Keys

TYPES = ("jsonl", "log", "command", "gpio", "mqtt")
_COMMON = ("type", "when", "labels")
_KEYS = {
    "jsonl": ("path", "max_size", "keep"),
    "log": ("path", "max_size", "keep"),
    "command": ("argv", "timeout", "queue"),
    "gpio": ("pin", "action", "pulse", "active_high"),
    "mqtt": (
        "host", "port", "topic", "qos", "retain", "client_id", "username", "password_file", "tls",
        "queue",
    ),
}  # fmt: skip
_WHEN = {
    "jsonl": KINDS,
    "log": ("fired", "released", "error"),
    "command": ("fired",),
    "gpio": ("fired", "released"),
    "mqtt": ("fired", "released"),
}
# Where systemd puts what a unit's LoadCredential= names, for that unit's user alone.
_CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
Make = Callable[[Callable[[str], None]], Sink]


@dataclass(frozen=True)
class SinkConfig:
    """One sink: its type, which notices it is told of, for which labels (all if empty).

    `make` builds it, given what it tells its troubles to; `words` says in one line what it does.
    `in_unit_only`: it wants a credential of its systemd unit, so that `make` fails elsewhere.
    """

    type: str
    when: tuple[str, ...]
    labels: tuple[str, ...]
    make: Make
    words: str
    in_unit_only: bool = False


def read_sink(keys: Keys, folder: Path) -> SinkConfig:
    """One [[sink]] table; relative paths start at `folder`. Raises `BadInputError`."""
    if "type" not in keys.values:
        raise BadInputError(f"{keys.where}: type is missing; use one of {', '.join(TYPES)}")
    kind = keys.choice("type", TYPES, "")
    known = (*_COMMON, *_KEYS[kind])
    for key in keys.values:
        if key not in known:
            raise BadInputError(
                f"{keys.where}: unknown key {key!r} for {kind}; valid keys: "
                + ", ".join(sorted(known))
            )
    when = _texts(keys, "when") or _WHEN[kind]
    for word in when:
        if word not in KINDS or (kind == "gpio" and word not in _WHEN["gpio"]):
            allowed = _WHEN["gpio"] if kind == "gpio" else KINDS
            raise keys.wrong("when", f"a list of {', '.join(allowed)}")
    labels = _texts(keys, "labels")
    make, words = _READERS[kind](keys, folder)
    in_unit_only = str(keys.values.get("password_file", "")).startswith(_CREDENTIALS)
    return SinkConfig(kind, tuple(when), labels, make, f"{kind}: {words}", in_unit_only)


def check_sink_labels(sinks: tuple[SinkConfig, ...], labels: tuple[str, ...], origin: str) -> None:
    """Raise `BadInputError` for a label that a sink waits for and the model never gives."""
    for sink in sinks:
        for label in sink.labels:
            if labels and label not in labels:
                near = difflib.get_close_matches(label, labels, 3)
                meant = f"; did you mean {', '.join(near)}?" if near else ""
                raise BadInputError(f"{origin} has no label {label!r}, which a sink names{meant}")


def _texts(keys: Keys, key: str) -> tuple[str, ...]:
    value = keys.values.get(key, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise keys.wrong(key, "a list of texts")
    return tuple(texts)


def _lines(keys: Keys, folder: Path) -> tuple[Make, str]:
    from .sinks.lines import DEFAULT_KEEP, DEFAULT_MAX_BYTES, LinesSink

    as_log = keys.values["type"] == "log"
    text = keys.text("path") if as_log else keys.text("path", "-")
    path = None if text == "-" else folder / text
    max_bytes = keys.bytes("max_size") or DEFAULT_MAX_BYTES
    keep = keys.integer("keep", DEFAULT_KEEP, 0, 1000)
    words = "to stdout"
    if path is not None:
        words = f"to {path}, {max_bytes / 1e6:g} MB, {keep} older ones kept"
    return lambda tell: LinesSink(tell, path, as_log=as_log, max_bytes=max_bytes, keep=keep), words


def _command(keys: Keys, _: Path) -> tuple[Make, str]:
    from .sinks.command import DEFAULT_QUEUE, DEFAULT_TIMEOUT_S, CommandSink, check_argv

    argv = keys.values.get("argv")
    if not isinstance(argv, list) or not all(isinstance(text, str) for text in argv):
        raise BadInputError(
            f"{keys.where}: argv must be a list of texts, as in ['/usr/bin/notify', '{{label}}']; "
            "no shell reads it"
        )
    try:
        checked = check_argv(argv)
    except BadInputError as error:
        raise BadInputError(f"{keys.where}: {error}") from error
    timeout_s = keys.seconds("timeout", DEFAULT_TIMEOUT_S)
    queue = keys.integer("queue", DEFAULT_QUEUE, 1, 10_000)
    return lambda tell: CommandSink(tell, checked, timeout_s, queue), " ".join(checked)


def _gpio(keys: Keys, _: Path) -> tuple[Make, str]:
    from .sinks.gpio import ACTIONS, GpioSink

    if "pin" not in keys.values:
        raise BadInputError(f"{keys.where}: pin is missing; give the GPIO's number, as in pin = 17")
    pin = keys.integer("pin", 0, 0, 53)
    action = keys.choice("action", ACTIONS, "pulse")
    pulse_s = keys.seconds("pulse", 1.0)
    active_high = keys.flag("active_high", True)
    words = f"GPIO {pin} " + (f"on for {pulse_s:g} s" if action == "pulse" else "follows the label")
    return lambda tell: GpioSink(tell, pin, action, pulse_s, active_high), words


def _mqtt(keys: Keys, folder: Path) -> tuple[Make, str]:
    from .sinks.mqtt import Broker, MqttSink

    password_file = keys.optional_text("password_file")
    broker = Broker(
        host=keys.text("host"),
        topic=_topic(keys),
        port=keys.integer("port", 8883 if keys.flag("tls") else 1883, 1, 65535),
        qos=keys.integer("qos", 1, 0, 2),
        retain=keys.flag("retain"),
        client_id=keys.text("client_id", "") if "client_id" in keys.values else "",
        username=keys.optional_text("username"),
        tls=keys.flag("tls"),
    )
    queue = keys.integer("queue", 100, 1, 100_000)
    words = f"{broker.topic} at {broker.host}:{broker.port}" + (" over TLS" if broker.tls else "")

    def make(tell: Callable[[str], None]) -> Sink:
        # Only now: a laptop that makes a bundle checks this file and has no such password.
        secret = _secret(password_file, folder) if password_file else None
        return MqttSink(tell, replace(broker, password=secret), queue)

    return make, words


def _topic(keys: Keys) -> str:
    topic = keys.text("topic")
    if "#" in topic or "+" in topic or len(topic.encode()) > 65535:
        raise keys.wrong("topic", "a topic to publish to, without # or +")
    return topic


def _secret(text: str, folder: Path) -> str:
    others = stat.S_IRGRP | stat.S_IROTH
    if text.startswith(_CREDENTIALS):
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if not credentials:
            raise BadInputError(
                f"the password file {text} is only there in a systemd unit with LoadCredential=; "
                "add one with `systemctl edit`, then restart the service"
            )
        path = Path(credentials, text.removeprefix(_CREDENTIALS))
        others = stat.S_IROTH  # an access list lets the unit's user in; it shows as the group's
    else:
        path = folder / text
    try:
        if path.stat().st_mode & others:
            raise BadInputError(f"the password file {path} may be read by others; chmod 600 it")
        return path.read_text("utf-8").strip()
    except PermissionError as error:
        raise BadInputError(
            f"the password file {path} cannot be read by the user of this service; for a systemd "
            "unit, hand it over with LoadCredential= in `systemctl edit` and name it as "
            f"{_CREDENTIALS}NAME"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(f"the password file {path} cannot be read: {reason}") from error


_READERS: dict[str, Callable[[Any, Path], tuple[Make, str]]] = {
    "jsonl": _lines,
    "log": _lines,
    "command": _command,
    "gpio": _gpio,
    "mqtt": _mqtt,
}
