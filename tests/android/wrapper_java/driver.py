"""Runs the parts of the Java wrapper on a desktop JVM, and makes the folders that it opens."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.preprocessing import InputSpec
from edge_deploy_runner.tflite.model_file import ModelFile
from numpy.typing import NDArray

from android import toolchain
from android.java import stand_in

HERE = Path(__file__).resolve().parent
PACKAGE = "dev.edgedeploy.classifier"


class Said(NamedTuple):
    """What one command found, in words, or the sentence of its exception."""

    ok: bool
    words: list[str]


class Driver(NamedTuple):
    """The compiled wrapper with its test driver, and the runtime's native library."""

    class_path: tuple[Path, ...]
    libraries: Path

    def run(self, folder: Path, commands: Sequence[Sequence[Any]]) -> list[Said]:
        """Run all commands in one JVM; each is a list of words. `folder` is for scratch."""
        script = folder / "commands.txt"
        script.write_text("".join("\t".join(map(str, c)) + "\n" for c in commands), "utf-8")
        done = self.java(f"{PACKAGE}.Driver", script)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        assert len(lines) == len(commands), done.stderr[-3000:]
        return [Said(line[0] == "ok", line[1:]) for line in lines]

    def java(
        self, main: str, *arguments: Any, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a main class with the wrapper and the runtime."""
        return subprocess.run(
            [
                *(toolchain.jdk().java, "-Xmx2g", f"-Djava.library.path={self.libraries}"),
                *options,
                *("-cp", os.pathsep.join(map(str, self.class_path)), main),
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=stand_in.environment(),
        )


@lru_cache(maxsize=1)
def _compiled(folder: Path) -> Driver:
    wrapper = toolchain.wrapper_classes()
    runtime = toolchain.runtime_classes()
    toolchain.javac([HERE / "Driver.java"], folder / "driver", [wrapper, *runtime])
    toolchain.program("clang-16", "clang-16")
    stand_in.build_stand_in(folder / "jni")
    framework = toolchain.dependencies().framework
    return Driver((folder / "driver", wrapper, *runtime, framework), folder / "jni")


def compile_driver(folder: Path) -> Driver:
    """Compile the driver and the runtime's stand-in into a folder; skips where tools lack."""
    (folder / "jni").mkdir(parents=True, exist_ok=True)
    return _compiled(folder)


def contract_json(
    preprocessing: Preprocessing,
    spec: InputSpec,
    output: tuple[tuple[int, ...], str, float, int] = ((1, 2), "float32", 0.0, 0),
    **changes: Any,
) -> dict[str, Any]:
    """A contract.json, as android_harness/java/wrapper/ASSETS.md says."""
    shape, dtype, scale, zero_point = output
    return {
        "format": "edge-deploy android classifier",
        "version": 2,
        "name": "model",
        "model": {"file": "model.tflite", "sha256": "0" * 64, "size_bytes": 1},
        "input": {
            "shape": list(spec.shape), "dtype": spec.dtype, "scale": spec.scale,
            "zero_point": spec.zero_point, "layout": spec.layout,
        },
        "output": {
            "shape": list(shape), "dtype": dtype, "scale": scale, "zero_point": zero_point,
        },
        "preprocessing": preprocessing.to_json(),
        "labels": None,
        "scores": "probabilities",
        **changes,
    }  # fmt: skip


def write_contract(path: Path, contract: dict[str, Any]) -> Path:
    """Write a contract.json and return its path."""
    path.write_text(json.dumps(contract), "utf-8")
    return path


def write_bundle(folder: Path, classifier: Classifier, **changes: Any) -> Path:
    """The folder of assets for a model that Python has open; `changes` are to contract.json."""
    folder.mkdir(parents=True, exist_ok=True)
    model = ModelFile.open(classifier.path)
    (folder / "model.tflite").write_bytes(model.data)
    detail = classifier.loaded.outputs[0]
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    output = shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point)
    record = contract_json(classifier.photo_contract(), classifier.input, output)
    record["model"] = {
        "file": "model.tflite", "sha256": model.sha256, "size_bytes": len(model.data),
    }  # fmt: skip
    if classifier.labels:
        record["labels"] = "labels.txt"
        text = "".join(f"{label}\n" for label in classifier.labels)
        (folder / "labels.txt").write_text(text, "utf-8")
    write_contract(folder / "contract.json", {**record, **changes})
    return folder


def write_pixels(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Pixels of a photo (H, W, 3) as raw red, green, blue."""
    path.write_bytes(np.ascontiguousarray(pixels).tobytes())
    return path


def results(said: Said) -> list[tuple[int, str, float, float]]:
    """The answers of a command: class number, label, score, raw score, best first."""
    assert said.ok, said.words
    listed = [word.split("|") for word in said.words]
    return [(int(i), label, float(score), float(raw)) for i, label, score, raw in listed]
