"""The harness as an app: paths that an app may use, an answer where adb finds it.

It goes through dex and back, and runs on a desktop JVM with stand-ins for Android's few classes.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.interpreter import LoadedModel
from small_models import int8_model

from . import toolchain
from .harness_jvm import HarnessJvm, harness_jvm
from .java import stand_in

INSTRUMENTATION = "dev.edgedeploy.harness.app.HarnessInstrumentation"
FRAMEWORK = Path(__file__).parent / "fake_device" / "framework"


@dataclass(frozen=True)
class Ended:
    """What `am instrument -r` prints: statuses, results, and the result's code."""

    progress: list[str]
    results: dict[str, str]
    code: int

    @property
    def answer(self) -> dict[str, Any]:
        """The document at the path that the result names."""
        document: dict[str, Any] = json.loads(Path(self.results["answer"]).read_bytes())
        return document


@dataclass(frozen=True)
class App:
    """The app's class path, and its folders."""

    jvm: HarnessJvm
    class_path: tuple[Path, ...]
    data: Path
    external: Path
    shared: Path

    def instrument(self, *extras: str, api: int = 34) -> Ended:
        """Start the instrumentation with these keys and values on an Android of that level."""
        result = subprocess.run(
            [
                toolchain.jdk().java, f"-Dandroid.api={api}",
                "-cp", ":".join(map(str, self.class_path)), "dev.edgedeploy.fake.Instrument",
                INSTRUMENTATION, self.data, self.external, self.shared, *extras,
            ],
            capture_output=True, text=True, check=True, env=stand_in.environment(),
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        progress, results, code = [], {}, None
        for line in result.stdout.splitlines():
            kind, _, words = line.partition(": ")
            key, _, value = words.partition("=")
            if kind == "INSTRUMENTATION_STATUS":
                assert key == "progress"
                progress.append(value)
            elif kind == "INSTRUMENTATION_RESULT":
                results[key] = value
            elif kind == "INSTRUMENTATION_CODE":
                code = int(words)
        assert code is not None, result.stdout + result.stderr
        return Ended(progress, results, code)

    def ask(self, request: dict[str, Any] | str, folder: Path) -> Ended:
        """Let the app carry out a request that lies where adb pushed it."""
        path = folder / "request.json"
        path.write_text(request if isinstance(request, str) else json.dumps(request))
        return self.instrument("request", str(path))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The app's classes as they come out of its dex, and the stand-ins."""
    folder = tmp_path_factory.mktemp("harness-app")
    sources = toolchain.sources
    core = toolchain.harness_classes()
    runtime = toolchain.runtime_classes()
    app = toolchain.javac(sources.app_sources(), folder / "app", [core, *runtime], android=True)
    dex = toolchain.dexed([core, app, *runtime], folder / "dex")
    jar = toolchain.undexed(dex, folder / "app.jar")
    return jar, toolchain.javac(sorted(FRAMEWORK.rglob("*.java")), folder / "framework", [jar])


@pytest.fixture
def app(classes: tuple[Path, ...], tmp_path: Path) -> App:
    """The app, just installed."""
    (tmp_path / "pushed").mkdir()
    (tmp_path / "data").mkdir()
    shared = tmp_path / "shared"
    return App(harness_jvm(), classes, tmp_path / "data", shared / "data", shared / "media")


@pytest.fixture
def pushed(app: App, tmp_path: Path) -> Path:
    """Where adb pushes to: an app may read there, and not write."""
    (tmp_path / "pushed" / "model.tflite").write_bytes(int8_model())
    return tmp_path / "pushed"


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["litert", "tflite"])
def test_the_app_measures_with_libraries_of_its_own(app: App, pushed: Path, kind: str) -> None:
    runtime = app.jvm.runtime(kind)
    request = app.jvm.request(pushed / "model.tflite", pushed, runtime=runtime)
    before = _files(pushed)
    ended = app.ask({**request, "output": "answer-1.json", "ends_with_stdin": True}, pushed)
    assert ended.code == -1, ended.results
    assert ended.results.keys() == {"answer", "in_front"}
    assert ended.answer["harness"]["digest"] == request["digest"]
    assert len(ended.answer["latencies_ns"]) >= 20
    assert Path(ended.results["answer"]) == app.shared / "answers" / "answer-1.json"
    stages = [json.loads(line) for line in ended.progress if line.startswith("{")]
    assert stages
    assert all({"stage", "done", "total"} <= stage.keys() for stage in stages)
    assert _files(pushed) == before | {"request.json"}
    copies = list((app.data / "code_cache" / "libraries").iterdir())
    assert {path.name for path in copies} == {
        Path(runtime[key]).name for key in ("library", "shim") if runtime[key]
    }
    assert [path for path in copies if path.stat().st_mode & 0o222] == []


def test_outputs_come_back_where_adb_can_pull_them(app: App, pushed: Path) -> None:
    model = LoadedModel(pushed / "model.tflite", 1, "xnnpack")
    detail = model.inputs[0]
    tensor = np.arange(np.prod(detail["shape"])).astype(np.int8).reshape(detail["shape"])
    (pushed / "in.bin").write_bytes(tensor.tobytes())
    request = app.jvm.request(
        pushed / "model.tflite", pushed, task="answers",
        inputs=[[str(pushed / "in.bin")]], outputs=[[str(pushed / "out-0-0.bin")]],
    )  # fmt: skip
    ended = app.ask(request, pushed)
    assert ended.code == -1, ended.results
    found = (app.shared / "answers" / "out-0-0.bin").read_bytes()
    assert found == model.run(tensor)[0].tobytes()
    assert not (pushed / "out-0-0.bin").exists()


def test_a_second_run_starts_from_nothing(app: App, pushed: Path) -> None:
    request = app.jvm.request(pushed / "model.tflite", pushed, task="baseline")
    first = app.ask({**request, "output": "answer-1.json"}, pushed)
    assert first.code == -1, first.results
    second = app.ask({**request, "output": "answer-2.json", "digest": "0" * 64}, pushed)
    assert _files(app.shared) == {"answers/answer-2.json"}
    assert second.answer["error"]["type"] == "DeviceError"
    assert "brings the right one" in second.answer["error"]["message"]


def test_a_missing_library_is_one_sentence(app: App, pushed: Path) -> None:
    runtime = {**app.jvm.runtime(), "library": str(pushed / "gone.so")}
    request = app.jvm.request(pushed / "model.tflite", pushed, runtime=runtime)
    ended = app.ask(request, pushed)
    assert ended.code == 0
    assert "gone.so" in ended.results["error"]
    assert "answer" not in ended.results
    assert _files(app.shared) == set()


@pytest.mark.parametrize("api", [26, 29, 30])
def test_the_answer_lies_where_the_shell_may_read(app: App, pushed: Path, api: int) -> None:
    """From Android 11 an app's Android/data is closed to the shell of some phones."""
    request = app.jvm.request(pushed / "model.tflite", pushed, task="baseline")
    path = pushed / "request.json"
    path.write_text(json.dumps({**request, "output": "answer.json"}))
    ended = app.instrument("request", str(path), api=api)
    folder = app.shared if api >= 30 else app.external
    assert Path(ended.results["answer"]) == folder / "answers" / "answer.json"
    assert ended.answer["harness"]["digest"] == request["digest"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it ends too early"),
        ("[]", "the harness request is no JSON object"),
        ("{}", '"output" is missing'),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    app: App, pushed: Path, text: str, words: str
) -> None:
    ended = app.ask(text, pushed)
    assert ended.code == 0
    assert words in ended.results["error"]


def test_no_request_is_refused(app: App) -> None:
    ended = app.instrument()
    assert ended.code == 0
    assert ended.results == {"error": "no request was named; give one: -e request PATH"}


def test_a_request_of_another_format_is_told_by_the_core(app: App, pushed: Path) -> None:
    ended = app.ask({"output": "answer.json"}, pushed)  # type: ignore[arg-type]
    assert ended.code == 0
    assert '"format": "edge-deploy harness request"' in ended.results["error"]


def test_an_app_that_is_not_in_front_says_so(app: App, pushed: Path) -> None:
    request = app.jvm.request(pushed / "model.tflite", pushed, task="baseline")
    ended = app.ask(request, pushed)
    assert ended.results["in_front"] == "false"
    assert "the harness could not come to the front: there is no screen" in ended.progress
