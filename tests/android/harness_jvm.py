"""The harness on a desktop JVM: requests go in, answers come out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from conftest import skip_or_fail
from edge_deploy_runner.bench.run_spec import RunSpec

from . import toolchain
from .java import stand_in

MAIN = "dev.edgedeploy.harness.Main"
QUICK = RunSpec(warm_up_runs=1, warm_up_seconds=0.0, min_runs=20, min_seconds=0.0, max_seconds=1.0)
_LIMIT_S = 120


@dataclass(frozen=True)
class Ended:
    """How the harness ended: its exit code, its answer (None: there is no file), its stderr."""

    code: int
    answer: dict[str, Any] | None
    said: str

    @property
    def error(self) -> tuple[str, str]:
        """The class and the sentence of the answer's error."""
        assert self.answer is not None
        return self.answer["error"]["type"], self.answer["error"]["message"]

    @property
    def progress(self) -> list[dict[str, Any]]:
        """The lines of progress; runtimes write others between them."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith('{"stage"')]


@dataclass(frozen=True)
class HarnessJvm:
    """The compiled harness, and the desktop's libraries in a folder."""

    libraries: Path
    class_path: tuple[Path, ...]

    @property
    def shim(self) -> Path:
        """Our JNI shim over LiteRT."""
        return self.libraries / "libedge_deploy_litert.so"

    @property
    def stand_in(self) -> Path:
        """The stand-in for libtensorflowlite_jni.so."""
        return self.libraries / stand_in.LIBRARY

    def runtime(self, kind: str = "litert") -> dict[str, Any]:
        """The "runtime" of a request: LiteRT, or the TFLite classes over the stand-in."""
        library = stand_in.litert_library() if kind == "litert" else self.stand_in
        return {"kind": kind, "library": str(library), "shim": str(self.shim), "gpu_library": None}

    def request(self, model: Path | str, folder: Path, **changes: Any) -> dict[str, Any]:
        """A request to run a model once; `changes` replace keys of it."""
        return {
            "format": "edge-deploy harness request",
            "version": 1,
            "digest": digest(),
            "task": "run",
            "model": str(model),
            "name": Path(model).name,
            "spec": QUICK.to_json(),
            "threads": [1],
            "ranges": [],
            "runtime": self.runtime(),
            "operators": None,
            "ends_with_stdin": False,
            "output": str(folder / "answer.json"),
            **changes,
        }

    def command(self, path: Path, class_path: Sequence[Path] = ()) -> list[str]:
        """The command that carries out the request in a file."""
        classes = ":".join(map(str, class_path or self.class_path))
        return [str(toolchain.jdk().java), "-cp", classes, MAIN, str(path)]

    def carry_out(
        self, request: dict[str, Any] | str, folder: Path, class_path: Sequence[Path] = ()
    ) -> Ended:
        """Run the harness on a request, a document or any text, in a process of its own."""
        path, output = folder / "request.json", folder / "answer.json"
        path.write_text(request if isinstance(request, str) else json.dumps(request), "utf-8")
        output.unlink(missing_ok=True)
        result = subprocess.run(
            self.command(path, class_path), capture_output=True, check=False, timeout=_LIMIT_S,
            env=stand_in.environment(), stdin=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        answer = json.loads(output.read_bytes()) if output.exists() else None
        return Ended(result.returncode, answer, result.stderr.decode("utf-8", "replace"))

    def answer(self, request: dict[str, Any], folder: Path) -> dict[str, Any]:
        """The answer to a request that has to succeed."""
        ended = self.carry_out(request, folder)
        assert ended.code == 0, ended.said
        assert ended.answer is not None
        assert "error" not in ended.answer, ended.answer["error"]
        return ended.answer


@lru_cache(maxsize=1)
def digest() -> str:
    """The digest that the harness has of itself."""
    return str(toolchain.sources.harness_digest())


@lru_cache(maxsize=1)
def harness_jvm() -> HarnessJvm:
    """The harness, compiled; the test is skipped where a tool is missing."""
    class_path = (toolchain.harness_classes(), *toolchain.runtime_classes())
    return HarnessJvm(_libraries(), class_path)


def _libraries() -> Path:
    build = stand_in.jni_build()
    try:
        build.find_tools()
    except build.ToolMissingError as error:
        skip_or_fail("android", str(error))
    files = [*stand_in.JNI.glob("*.[ch]"), stand_in.JNI / "build.py", *stand_in.HERE.glob("*.c")]
    name = toolchain.sources.digest_of({path.name: path for path in files})[:16]

    def fill(folder: Path) -> None:
        folder.mkdir()
        built = build.build_shims(folder, [build.HOST])[build.HOST]
        built.rename(folder / built.name)
        stand_in.build_stand_in(folder)

    return toolchain.once(f"jni-{name}", fill)


def probe(calls: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What parts of the harness answer; each {"value": ...} or {"type", "message"}."""
    source = stand_in.HERE / "src"
    files = sorted(source.rglob("*.java"))
    harness = toolchain.harness_classes()
    name = toolchain.sources.digest_of({path.name: path for path in files})[:16]
    classes = toolchain.once(
        f"probe-{name}-{harness.name}", lambda folder: compiled(files, folder, harness)
    )
    lines = "".join(json.dumps(call) + "\n" for call in calls).encode()
    result = toolchain.java([classes, harness], "dev.edgedeploy.harness.Probe", stdin=lines)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def compiled(files: Sequence[Path], folder: Path, *class_path: Path) -> None:
    """Compile Java sources into a folder."""
    toolchain.javac(files, folder, class_path)


def outputs_of(
    jvm: HarnessJvm, model: Path, runs: Sequence[Sequence[bytes]], count: int, folder: Path,
    **changes: Any,
) -> list[list[bytes]]:  # fmt: skip
    """The raw outputs that a model with `count` outputs gives for raw inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs, outputs = [], []
    for number, tensors in enumerate(runs):
        inputs.append([str(folder / f"in-{number}-{place}.bin") for place in range(len(tensors))])
        outputs.append([str(folder / f"out-{number}-{place}.bin") for place in range(count)])
        for name, data in zip(inputs[-1], tensors, strict=True):
            Path(name).write_bytes(data)
    request = jvm.request(model, folder, task="answers", inputs=inputs, outputs=outputs, **changes)
    jvm.answer(request, folder)
    return [[Path(name).read_bytes() for name in names] for names in outputs]


def running(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
