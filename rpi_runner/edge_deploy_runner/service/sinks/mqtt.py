"""Messages to an MQTT broker through paho-mqtt; the only part that ever opens a connection."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from edge_deploy_runner.errors import DeviceError

from . import Notice, Sink


@dataclass(frozen=True)
class Broker:
    """Where messages go. Without `tls` name and password go over the network as they are."""

    host: str
    topic: str
    port: int = 1883
    qos: int = 1
    retain: bool = False
    client_id: str = ""
    username: str | None = None
    password: str | None = None
    tls: bool = False


class MqttSink(Sink):
    """Publishes each notice as JSON; connects, and connects again, in the background.

    While there is no connection up to `queue` messages are kept; more push out the oldest, which
    is counted. Works with paho-mqtt 1.6, as in bookworm, and 2.
    """

    def __init__(self, tell: Callable[[str], None], broker: Broker, queue: int = 100) -> None:
        super().__init__("mqtt", tell)
        self.broker = broker
        self._limit = queue
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()
        self._connected = False
        self._client: Any = None

    def open(self) -> None:
        """Begin to connect; raises `DeviceError` where paho-mqtt is missing.

        A broker that cannot be reached is reported and tried again, with longer and longer waits.
        """
        try:
            mqtt = import_module("paho.mqtt.client")
        except ImportError as error:
            raise DeviceError(
                "an mqtt sink needs paho-mqtt, which is not installed; "
                "`sudo apt install -y python3-paho-mqtt`, and use the system's python3"
            ) from error
        name = self.broker.client_id
        if hasattr(mqtt, "CallbackAPIVersion"):
            self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
        else:
            self._client = mqtt.Client(client_id=name)
        client = self._client
        if self.broker.username is not None:
            client.username_pw_set(self.broker.username, self.broker.password)
        if self.broker.tls:
            client.tls_set()
        client.reconnect_delay_set(1, 60)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.connect_async(self.broker.host, self.broker.port, keepalive=30)
        client.loop_start()

    def put(self, notice: Notice) -> None:
        """Publish it, or keep it until there is a connection."""
        self._waiting_add(json.dumps(notice.to_json(), ensure_ascii=False))
        if self._connected:
            self._publish_waiting()

    def close(self, wait_s: float = 2.0) -> None:
        """Give what is under way `wait_s` to arrive, then disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        deadline = time.monotonic() + wait_s
        while self._connected and client.want_write() and time.monotonic() < deadline:
            time.sleep(0.02)
        with contextlib.suppress(Exception):
            client.disconnect()
        stopper = threading.Thread(target=client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(max(0.1, deadline - time.monotonic()))
        self.lost += len(self._waiting)

    def _waiting_add(self, text: str) -> None:
        with self._lock:
            full = len(self._waiting) >= self._limit
            if full:
                self._waiting.popleft()
            self._waiting.append(text)
        if full:
            self.failed(f"{self._where()} cannot be reached; the oldest messages are dropped")

    def _publish_waiting(self) -> None:
        client = self._client
        with self._lock:
            while self._waiting and self._connected and client is not None:
                info = client.publish(
                    self.broker.topic, self._waiting[0], self.broker.qos, self.broker.retain
                )
                if info.rc != 0:
                    return
                self._waiting.popleft()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, *_: Any) -> None:
        if int(getattr(code, "value", code)) != 0:
            self.failed(f"{self._where()} refuses us: code {code}", 0)
            return
        self._connected = True
        self.worked()
        self._publish_waiting()

    def _on_disconnect(self, _client: Any, _data: Any, *rest: Any) -> None:
        code = rest[0] if len(rest) == 1 else rest[1]  # version 2 puts flags before it
        self._connected = False
        if self._client is not None and int(getattr(code, "value", code)) != 0:
            self.failed(f"the connection to {self._where()} broke; trying again", 0)

    def _on_connect_fail(self, *_: Any) -> None:
        self.failed(f"{self._where()} cannot be reached; trying again", 0)

    def _where(self) -> str:
        return f"the broker {self.broker.host}:{self.broker.port}"
