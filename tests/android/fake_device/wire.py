"""ADB's transport protocol, the device's side: packets, the handshake, and streams in both ways.

Source: AOSP packages/modules/adb/protocol.txt. One thread reads the socket; each stream has a
thread of its own, so that a push and a shell run at once. A packet is acknowledged when its
stream takes it: that is the protocol's flow control.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little")
    for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3
HEADER = struct.Struct("<6I")
# From this version on nobody computes checksums; adb's maximum payload is 1 MiB.
VERSION, MAXIMUM_PAYLOAD = 0x01000001, 1 << 20
OLD_VERSION, OLD_MAXIMUM_PAYLOAD = 0x01000000, 4096


class LinkLostError(Exception):
    """The cable is gone."""


class Link:
    """One connection of adb's server."""

    def __init__(self, connection: socket.socket, *, old: bool = False) -> None:
        """`old` speaks the protocol of Android 6: checksums and 4 KiB packets."""
        self.connection = connection
        self.old = old
        self.maximum_payload = OLD_MAXIMUM_PAYLOAD if old else MAXIMUM_PAYLOAD
        self.bytes_per_s: float | None = None
        self.lost = threading.Event()
        self.authorized = threading.Event()
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Pull the cable: every stream ends with LinkLostError."""
        self.lost.set()
        self.authorized.set()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        for stream in list(self._streams.values()):
            stream.end()

    def send(self, command: int, arg0: int, arg1: int, payload: bytes = b"") -> None:
        """Send one packet."""
        checksum = sum(payload) & 0xFFFFFFFF if self.old else 0
        head = HEADER.pack(command, arg0, arg1, len(payload), checksum, command ^ 0xFFFFFFFF)
        self._pace(len(payload))
        try:
            with self._sending:
                self.connection.sendall(head + payload)
        except OSError as error:
            raise LinkLostError from error

    def _pace(self, size: int) -> None:
        if self.bytes_per_s:
            time.sleep(size / self.bytes_per_s)

    def _receive_exactly(self, size: int) -> bytes:
        buffer = bytearray(size)
        view = memoryview(buffer)
        done = 0
        while done < size:
            try:
                count = self.connection.recv_into(view[done:])
            except OSError as error:
                raise LinkLostError from error
            if not count:
                raise LinkLostError
            done += count
        return bytes(buffer)

    def receive(self) -> tuple[int, int, int, bytes]:
        """One packet: command, two arguments, payload."""
        command, arg0, arg1, length, _, magic = HEADER.unpack(self._receive_exactly(HEADER.size))
        if magic != command ^ 0xFFFFFFFF:
            raise LinkLostError(f"not an adb packet: {command:#x}")
        payload = self._receive_exactly(length)
        self._pace(length)
        return command, arg0, arg1, payload

    def serve(
        self, banner: Callable[[], bytes], service: Callable[[Stream], None], *, ask: bool
    ) -> None:
        """Shake hands, then start `service` in a thread for each stream, until the link is lost.

        With `ask` nothing is accepted before `authorized` is set, as on a phone whose owner has
        not allowed this computer yet.
        """
        version = OLD_VERSION if self.old else VERSION
        while True:
            command, arg0, arg1, payload = self.receive()
            if command == CNXN:
                self.maximum_payload = min(self.maximum_payload, arg1)
                if ask and not self.authorized.is_set():
                    self.send(AUTH, AUTH_TOKEN, 0, os.urandom(20))
                else:
                    self.send(CNXN, version, self.maximum_payload, banner())
            elif command == AUTH and arg0 == AUTH_SIGNATURE:
                self.send(AUTH, AUTH_TOKEN, 0, os.urandom(20))
            elif command == AUTH and arg0 == AUTH_PUBLIC_KEY:
                threading.Thread(target=self._when_allowed, args=(version, banner)).start()
            elif command == OPEN:
                stream = Stream(self, next(self._ids), arg0, payload.rstrip(b"\0").decode())
                self._streams[stream.local] = stream
                threading.Thread(target=self._run, args=(stream, service)).start()
            elif (known := self._streams.get(arg1)) is not None:
                stream = known
                if command == OKAY:
                    stream.ready.release()
                elif command == WRTE:
                    stream.incoming.put(payload)
                elif command == CLSE:
                    stream.end()
            elif command == WRTE:
                self.send(CLSE, 0, arg0)

    def _when_allowed(self, version: int, banner: Callable[[], bytes]) -> None:
        self.authorized.wait()
        if not self.lost.is_set():
            self.send(CNXN, version, self.maximum_payload, banner())

    def _run(self, stream: Stream, service: Callable[[Stream], None]) -> None:
        try:
            service(stream)
        except LinkLostError:
            pass
        finally:
            self._streams.pop(stream.local, None)
            stream.end()  # else a thread of the service's would wait for its input for ever
            with contextlib.suppress(LinkLostError):
                stream.close()


class Stream:
    """One service that adb opened on the device, e.g. `shell:ls` or `sync:`."""

    def __init__(self, link: Link, local: int, remote: int, name: str) -> None:
        self.link, self.local, self.remote, self.name = link, local, remote, name
        self.incoming: queue.Queue[bytes | None] = queue.Queue()
        self.ready = threading.Semaphore(1)
        self.ended = threading.Event()
        self._rest = b""

    def accept(self) -> None:
        """Tell adb that the service exists."""
        self.link.send(OKAY, self.local, self.remote)

    def end(self) -> None:
        """The other side closed, or the link is lost."""
        self.ended.set()
        self.incoming.put(None)
        self.ready.release()

    def read(self) -> bytes:
        """The next packet's bytes; none: the other side closed."""
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        packet = self.incoming.get()
        if packet is None:
            self.incoming.put(None)
            if self.link.lost.is_set():
                raise LinkLostError
            return b""
        self.link.send(OKAY, self.local, self.remote)
        return packet

    def read_exactly(self, size: int) -> bytes:
        """Exactly so many bytes; LinkLostError where the stream ends before."""
        parts: list[bytes] = []
        while size:
            data = self.read()
            if not data:
                raise LinkLostError
            parts.append(data[:size])
            self._rest = data[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Send bytes, each packet after the other side has taken the one before."""
        limit = self.link.maximum_payload
        for start in range(0, len(data), limit):
            self.ready.acquire()
            if self.ended.is_set():
                self.ready.release()  # for another thread that writes to it
                raise LinkLostError
            self.link.send(WRTE, self.local, self.remote, data[start : start + limit])

    def close(self) -> None:
        """Say that nothing more comes."""
        if not self.link.lost.is_set():
            self.link.send(CLSE, self.local, self.remote)
