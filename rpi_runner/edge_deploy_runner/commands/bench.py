"""Measure a .tflite model on this machine: load, latency, memory, telemetry.

With `--request -` one JSON request comes through stdin, and one JSON document is the answer; so
`edge-deploy profile --device ssh://...` measures on a board.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import sys
import threading
from pathlib import Path
from typing import Any, Literal

from edge_deploy_runner.bench.measuring import Measured, MeterChoice, Request, measure
from edge_deploy_runner.bench.protocol import answer_json, read_operators, read_request
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.bench.run_spec import CPU_DELEGATES, RunSpec
from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.machine.power_meters import METERS
from edge_deploy_runner.progress import Progress, silent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--threads", metavar="N|sweep", help="sweep tries 1 to all cores in turn")
    parser.add_argument("--delegate", default="auto", metavar="NAME", help=", ".join(CPU_DELEGATES))
    parser.add_argument("--runs", type=int, metavar="N", help="fewest timed runs (50)")
    parser.add_argument("--seconds", type=float, metavar="S", help="shortest time of them (2)")
    parser.add_argument("--sustained", type=float, metavar="S", help="run on for S seconds")
    parser.add_argument(
        "--meter", metavar="KIND[@ADDRESS[,OHMS]]", help=f"power meter: {', '.join(METERS)}"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--request", metavar="-", help="read one JSON request from stdin")


def main(arguments: argparse.Namespace) -> int:
    """Measure, and print the result."""
    if arguments.request is not None:
        return _answer_request(arguments)
    if arguments.model is None:
        raise UsageError("bench needs a model; write bench MODEL")
    request = Request(
        Path(arguments.model),
        _spec(arguments),
        parse_threads(arguments.threads, "--threads") or 0,
        count_energy=True,
        meter=parse_meter(arguments.meter) if arguments.meter else None,
    )
    measured = measure(request, on_progress=_Lines() if sys.stderr.isatty() else silent)
    if arguments.json:
        print(json.dumps(answer_json(measured), indent=2, allow_nan=False))
    else:
        print(in_words(measured))
        for text in measured.measurement.warnings:
            print(f"Warning: {text}", file=sys.stderr)
    return 0


def parse_threads(text: str | None, origin: str) -> int | Literal["sweep"] | None:
    """A number of threads, "sweep", or None for None; raises `UsageError`."""
    if text is None:
        return None
    if text == "sweep":
        return "sweep"
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise UsageError(f"{origin} is {text!r}; write a number from 1 up, or sweep")
    return int(text)


def parse_meter(text: str) -> MeterChoice:
    """The meter in `pmic`, `ina219`, `ina219@0x41` or `ina226@0x40,0.002`; raises `UsageError`."""
    kind, _, where = text.partition("@")
    if kind not in METERS:
        raise UsageError(f"unknown power meter {kind!r}; use one of {', '.join(METERS)}")
    if not where:
        return MeterChoice(kind)
    address, _, ohms = where.partition(",")
    try:
        number = int(address, 0)
        return MeterChoice(kind, number, float(ohms)) if ohms else MeterChoice(kind, number)
    except ValueError:
        raise UsageError(
            f"{text!r} is no power meter; write KIND@ADDRESS,OHMS as in {kind}@0x40,0.1"
        ) from None


def in_words(measured: Measured) -> str:
    """The measurement for a terminal without any library."""
    found = measured.measurement
    rows = [
        ("model", f"{found.model.name}  ({found.model.size_bytes / 1e6:.2f} MB)"),
        ("machine", f"{found.device['board'] or found.device['cpu_model'] or ''}, "
                    f"{found.device['os']}"),
        ("runtime", f"{found.runtime['name']} {found.runtime['version']}, "
                    f"{found.spec.threads} threads"),
        ("delegate", found.delegate.words()),
    ]  # fmt: skip
    for what, ms in (("load", found.load_ms), ("first inference", found.first_inference_ms)):
        rows += [] if ms is None else [(what, f"{ms:.2f} ms")]
    for name, estimate in found.latency().items():
        if estimate is None:
            continue
        interval = ""
        if estimate.low is not None and estimate.high is not None:
            interval = f"  [{estimate.low:.3f} to {estimate.high:.3f}]"
        rows.append((name, f"{estimate.value:.3f} ms{interval}"))
    rows.append(("runs", str(len(found.latencies_ns))))
    if found.peak_memory_bytes is not None:
        rows.append(("peak memory", f"{found.peak_memory_bytes / 1e6:.2f} MB above the runtime"))
    rows += [(f"{point.threads} threads", f"{_p50_ms(point.latencies_ns):.3f} ms")
             for point in found.sweep]  # fmt: skip
    rows += _sustained_rows(found)
    rows.append(("figures", found.evidence))
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _sustained_rows(found: Measurement) -> list[tuple[str, str]]:
    if found.sustained is None:
        return []
    first, last = found.sustained.first()["p50"], found.sustained.last()["p50"]
    assert first is not None
    assert last is not None
    return [
        ("sustained", f"{first.value:.2f} ms at first, {last.value:.2f} ms after "
                      f"{found.sustained.seconds:.0f} s "
                      f"({found.sustained.slowdown().value:.2f}x)")
    ]  # fmt: skip


def _p50_ms(latencies_ns: tuple[int, ...]) -> float:
    return sorted(latencies_ns)[len(latencies_ns) // 2] / 1e6


def _spec(arguments: argparse.Namespace) -> RunSpec:
    given: dict[str, Any] = {
        "min_runs": arguments.runs,
        "min_seconds": arguments.seconds,
        "sustained_seconds": arguments.sustained,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return RunSpec(delegate=arguments.delegate, **known)


def _answer_request(arguments: argparse.Namespace) -> int:
    if arguments.request != "-":
        raise UsageError(f"--request is {arguments.request!r}; it is read from stdin, write -")
    if arguments.model is not None:
        raise UsageError("the request names the model; leave MODEL out")
    line = sys.stdin.buffer.readline()
    request = read_request(line)
    settings = json.loads(line)
    if settings.get("ends_with_stdin"):
        end_with_stdin()
    report: Progress = _JsonLines() if settings.get("progress") else silent
    operators = read_operators(sys.stdin.buffer, request.operators)
    measured = measure(request, operators, report)
    print(json.dumps(answer_json(measured), allow_nan=False))
    return 0


def end_with_stdin() -> None:
    """End this process, and its children with it, when the other end of stdin goes away.

    So nothing runs on where the computer that asked was switched off or interrupted.
    """
    if not hasattr(select, "poll"):
        return
    waiting = select.poll()
    waiting.register(0, select.POLLHUP | getattr(select, "POLLRDHUP", 0))

    def watch() -> None:
        while not waiting.poll(None):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Lines:
    """Each stage once, on stderr."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._seen:
            self._seen.add(stage)
            print(f"{stage[:1].upper()}{stage[1:]} ...", file=sys.stderr)


class _JsonLines:
    """Every report as a line of JSON on stderr, for the computer that asked."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        line = json.dumps({"stage": stage, "done": done, "total": total})
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)
