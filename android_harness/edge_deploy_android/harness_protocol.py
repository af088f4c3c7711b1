"""What this computer and the harness on the phone say to each other, as JSON.

One request goes there as a file, one answer comes back as a file. Both name the digest of what the
harness was built from, so that a figure is never one of another version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_deploy_runner.bench.child import error_from_answer
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.records import Measurement
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress

from .built_files import Build

FORMAT = "edge-deploy harness request"
VERSION = 1


@dataclass(frozen=True)
class RemotePaths:
    """Where things lie on the phone."""

    model: str
    library: str
    shim: str | None = None
    gpu: str | None = None
    operators: str | None = None


@dataclass(frozen=True)
class HarnessJob:
    """What the harness is to do with a model; `threads` has several numbers for a sweep."""

    build: Build
    name: str
    spec: RunSpec
    threads: tuple[int, ...]
    ranges: Sequence[Sequence[float] | None]
    runtime_kind: str
    paths: RemotePaths
    ends_with_stdin: bool = True

    def request(self, task: str, output: str, **more: Any) -> dict[str, Any]:
        """The request for a task: "run", "baseline" or "windows"; the answer goes to `output`."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "digest": self.build.digest,
            "task": task,
            "model": self.paths.model,
            "name": self.name,
            "spec": replace(self.spec, threads=self.threads[0]).to_json(),
            "threads": list(self.threads),
            "ranges": [None if pair is None else list(pair) for pair in self.ranges],
            "runtime": {
                "kind": self.runtime_kind,
                "library": self.paths.library,
                "shim": self.paths.shim,
                "gpu_library": self.paths.gpu,
            },
            "operators": self.paths.operators if task == "run" else None,
            "ends_with_stdin": self.ends_with_stdin,
            "output": output,
            **more,
        }


def operators_file(operators: Iterable[OperatorModel]) -> bytes:
    """The operators as JSON lines."""
    return b"".join(json.dumps(entry.to_json()).encode() + b"\n" for entry in operators)


def read_answer(data: bytes, build: Build, origin: str) -> dict[str, Any]:
    """The answer in a file; raises the error that it carries.

    `DeviceError` where it is none, or comes from another harness than was pushed.
    """
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise DeviceError(
            f"the harness on {origin} left an answer that cannot be read "
            f"({data[:80].decode('utf-8', 'replace')!r}); run the command again"
        )
    error = error_from_answer(document)
    if error is not None:
        raise type(error)(f"{origin}: {error}")
    harness = document.get("harness")
    digest = harness.get("digest") if isinstance(harness, Mapping) else None
    if digest != build.digest:
        raise DeviceError(
            f"the harness that ran on {origin} is another one ({str(digest)[:16]}) than this "
            f"computer has ({build.digest[:16]}); run the command again, which brings it there"
        )
    return document


def measurement_of(document: Mapping[str, Any], device: Mapping[str, Any], origin: str) -> (
    Measurement
):  # fmt: skip
    """The measurement in an answer; what the harness cannot know is filled in."""
    filled = {
        "operators_note": "",
        "energy": {"evidence": "unknown", "reason": "not asked for"},
        "sustained": None,
        "sweep": [],
        "operators": [],
        "warnings": [],
        "created_by": {},
        "evidence": "measured",
        **{key: value for key, value in document.items() if value is not None},
        "device": {"id": "android", **device},
    }
    return measurement_from_json(filled, f"the answer of {origin}")


def report_progress(line: str, on_progress: Progress) -> bool:
    """Pass on a line of progress; whether it was one."""
    try:
        words = json.loads(line)
        on_progress(str(words["stage"]), int(words["done"]), int(words["total"]))
    except (ValueError, KeyError, TypeError):
        return False
    return True
