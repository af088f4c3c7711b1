"""MQTT against a broker of a few lines on a real socket: what arrives, waits, and is dropped."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from edge_deploy_runner.service.sinks import Notice
from edge_deploy_runner.service.sinks.mqtt import Broker, MqttSink

CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 12, 14


class SmallBroker:
    """Accepts clients of MQTT 3.1.1, keeps what they publish, and acknowledges it."""

    def __init__(self, refuse: int = 0, port: int = 0) -> None:
        self.refuse = refuse
        self.published: list[tuple[str, dict[str, Any], int, bool]] = []
        self.connects: list[bytes] = []
        self.disconnects = 0
        self._links: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Go away as a broker that crashes does."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for link in self._links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._socket.accept()
                self._links.append(link)
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), link, link.makefile("rb") as stream:
            while True:
                first, body = _packet(stream)
                kind = first >> 4
                if kind == CONNECT:
                    self.connects.append(body)
                    link.sendall(bytes([CONNACK << 4, 2, 0, self.refuse]))
                elif kind == PUBLISH:
                    self._publish(link, first, body)
                elif kind == PINGREQ:
                    link.sendall(b"\xd0\x00")
                elif kind == DISCONNECT:
                    self.disconnects += 1
                    return

    def _publish(self, link: socket.socket, first: int, body: bytes) -> None:
        (length,) = struct.unpack_from(">H", body)
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        qos = first >> 1 & 3
        if qos:
            link.sendall(bytes([PUBACK << 4, 2]) + rest[:2])
            rest = rest[2:]
        self.published.append((topic, json.loads(rest), qos, bool(first & 1)))


def _packet(stream: Any) -> tuple[int, bytes]:
    head = stream.read(1)
    if not head:
        raise EOFError
    length, shift = 0, 0
    while True:
        (byte,) = stream.read(1)
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return head[0], stream.read(length)


@pytest.fixture
def broker() -> Iterator[SmallBroker]:
    made = SmallBroker()
    yield made
    made.close()


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def notice(number: int) -> Notice:
    return Notice("fired", "t", f"camera#{number}", "cät", 0.5)


def inputs(broker: SmallBroker) -> list[str]:
    return [record["input"] for _, record, _, _ in broker.published]


@pytest.mark.parametrize(("qos", "retain"), [(0, False), (1, True)])
def test_notices_arrive_as_json(broker: SmallBroker, qos: int, retain: bool) -> None:
    sink = MqttSink(
        pytest.fail,
        Broker("127.0.0.1", "pi/door", broker.port, qos, retain, "door", "me", "secret"),
    )
    sink.open()
    for number in range(5):
        sink.put(notice(number))
    wait_until(lambda: len(broker.published) == 5)
    sink.close()
    wait_until(lambda: broker.disconnects == 1)
    topic, record, got_qos, got_retain = broker.published[0]
    assert (topic, got_qos, got_retain) == ("pi/door", qos, retain)
    assert record == {
        "time": "t", "event": "fired", "input": "camera#0", "label": "cät", "score": 0.5,
    }  # fmt: skip
    assert inputs(broker) == [f"camera#{number}" for number in range(5)]
    assert sink.lost == 0
    (connect,) = broker.connects
    assert connect.startswith(b"\x00\x04MQTT\x04")  # 3.1.1
    assert connect.endswith(b"\x00\x04door\x00\x02me\x00\x06secret")


def test_without_a_broker_the_newest_messages_wait_and_the_oldest_are_counted() -> None:
    free = SmallBroker()
    port = free.port
    free.close()
    told: list[str] = []
    sink = MqttSink(told.append, Broker("127.0.0.1", "t", port), queue=3)
    sink.open()
    wait_until(lambda: bool(told))
    for number in range(10):
        sink.put(notice(number))
    assert sink.lost == 7
    assert len(told) == 1  # not one for each
    assert "cannot be reached" in told[0]
    late = SmallBroker(port=port)
    wait_until(lambda: len(late.published) == 3)
    assert inputs(late) == ["camera#7", "camera#8", "camera#9"]
    wait_until(lambda: len(told) == 2)
    assert "works again; 7 lost so far" in told[1]
    sink.close()
    late.close()


def test_a_broker_that_goes_away_is_found_again(broker: SmallBroker) -> None:
    told: list[str] = []
    sink = MqttSink(told.append, Broker("127.0.0.1", "t", broker.port))
    sink.open()
    sink.put(notice(0))
    wait_until(lambda: len(broker.published) == 1)
    broker.close()
    wait_until(lambda: bool(told))
    assert "broke; trying again" in told[0] or "cannot be reached" in told[0]
    sink.put(notice(1))
    back = SmallBroker(port=broker.port)
    wait_until(lambda: "camera#1" in inputs(back))
    sink.close()
    back.close()


def test_a_refused_login_is_told() -> None:
    refusing = SmallBroker(refuse=5)
    told: list[str] = []
    sink = MqttSink(told.append, Broker("127.0.0.1", "t", refusing.port, username="x"))
    sink.open()
    wait_until(lambda: bool(told))
    sink.put(notice(0))
    sink.close()
    assert "refuses us" in told[0]
    assert sink.lost == 1
    refusing.close()


def test_the_client_of_paho_1_as_in_bookworm(
    broker: SmallBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    mqtt = import_module("paho.mqtt.client")
    real, versions = mqtt.Client, mqtt.CallbackAPIVersion

    def old(client_id: str = "") -> Any:  # its constructor begins with the client's name
        return real(versions.VERSION1, client_id=client_id)

    module = SimpleNamespace(Client=old)
    monkeypatch.setattr("edge_deploy_runner.service.sinks.mqtt.import_module", lambda _: module)
    told: list[str] = []
    sink = MqttSink(told.append, Broker("127.0.0.1", "t", broker.port))
    with pytest.warns(DeprecationWarning, match="Callback API version 1"):
        sink.open()
    sink.put(notice(3))
    wait_until(lambda: inputs(broker) == ["camera#3"])
    broker.close()
    wait_until(lambda: bool(told))
    sink.close()
