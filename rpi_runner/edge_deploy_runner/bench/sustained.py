"""A long run under full load: latency, temperature and clock over time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_deploy_runner.machine.telemetry import Telemetry
from edge_deploy_runner.progress import Progress, silent

from .sustained_record import Sustained, SustainedWindow

MOST_WINDOWS = 120
# Enough of a part for a p99; more of them would only make the file large.
MOST_KEPT = 20_000
_BLOCK_S = 1.0
_MINUTE_S = 60.0

# Runs inferences for so many seconds, and returns their latencies in ns and a look at the machine.
Block = Callable[[float], tuple[Sequence[int], Telemetry]]


def part_seconds(seconds: float) -> float:
    """How long the first and the last part are: a minute, or a tenth of less than two minutes."""
    return _MINUTE_S if seconds >= 2 * _MINUTE_S else seconds / 10


def sustain(
    block: Block,
    seconds: float,
    on_progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Sustained:
    """Run block after block for so many seconds, with a look at the machine about once a second."""
    part = part_seconds(seconds)
    first = _Part(part)
    last: deque[_Piece] = deque()
    windows: list[SustainedWindow] = []
    open_window = _Window(0.0)
    window_s = max(_BLOCK_S, seconds / MOST_WINDOWS)
    runs = 0
    begun = clock()
    elapsed = 0.0
    while elapsed < seconds or runs == 0:
        on_progress("sustained load", int(elapsed), int(seconds))
        # Short runs need pieces that are shorter than their parts.
        latencies, look = block(min(_BLOCK_S, max(part / 2, 0.01), max(0.01, seconds - elapsed)))
        started, elapsed = elapsed, clock() - begun
        runs += len(latencies)
        piece = _Piece(started, elapsed, latencies)
        first.take(piece)
        last.append(piece)
        while len(last) > 1 and last[1].start_s <= elapsed - part:
            last.popleft()
        open_window.take(piece, look)
        if open_window.pieces and elapsed - open_window.start_s >= 0.9 * window_s:
            windows.append(open_window.closed())
            open_window = _Window(elapsed)
    if open_window.pieces:
        windows.append(open_window.closed())
    on_progress("sustained load", int(seconds), int(seconds))
    return Sustained(
        seconds=elapsed,
        runs=runs,
        part_seconds=part,
        first_latencies_ns=thinned([ns for piece in first.pieces for ns in piece.latencies_ns]),
        last_latencies_ns=thinned([ns for piece in last for ns in piece.latencies_ns]),
        windows=tuple(windows),
    )


def thinned(latencies_ns: Sequence[int]) -> tuple[int, ...]:
    """All of them, or every N-th where there are more than are kept."""
    step = -(-len(latencies_ns) // MOST_KEPT)
    return tuple(latencies_ns[:: max(1, step)])


@dataclass(frozen=True)
class _Piece:
    start_s: float
    end_s: float
    latencies_ns: Sequence[int]


@dataclass
class _Part:
    """The pieces that begin within the first `seconds`."""

    seconds: float
    pieces: list[_Piece] = field(default_factory=list)

    def take(self, piece: _Piece) -> None:
        if not self.pieces or piece.start_s < self.seconds:
            self.pieces.append(piece)


@dataclass
class _Window:
    start_s: float
    pieces: list[_Piece] = field(default_factory=list)
    looks: list[Telemetry] = field(default_factory=list)

    def take(self, piece: _Piece, look: Telemetry) -> None:
        self.pieces.append(piece)
        self.looks.append(look)

    def closed(self) -> SustainedWindow:
        latencies_ms = np.concatenate([piece.latencies_ns for piece in self.pieces]) / 1e6
        heat = [max(look.temperatures_celsius.values()) for look in self.looks
                if look.temperatures_celsius]  # fmt: skip
        clocks = [clock for look in self.looks if (clock := _clock_mhz(look)) is not None]
        bits = [look.throttled for look in self.looks if look.throttled is not None]
        throttled = 0
        for found in bits:
            throttled |= found
        return SustainedWindow(
            start_s=self.start_s,
            seconds=self.pieces[-1].end_s - self.start_s,
            runs=len(latencies_ms),
            p50_ms=float(np.quantile(latencies_ms, 0.5)),
            p90_ms=float(np.quantile(latencies_ms, 0.9)),
            temperature_celsius=max(heat, default=None),
            frequency_mhz=min(clocks, default=None),
            throttled=throttled if bits else None,
        )


def _clock_mhz(look: Telemetry) -> float | None:
    """The clock that really runs: what the firmware says before what the kernel asked for."""
    return look.frequency_mhz if look.arm_clock_mhz is None else look.arm_clock_mhz
