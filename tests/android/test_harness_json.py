"""Java and Python read and write the same JSON, and refuse the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from edge_deploy_android.built_files import Build
from edge_deploy_android.harness_protocol import HarnessJob, RemotePaths
from edge_deploy_runner.bench.run_spec import DELEGATES, RunSpec
from edge_deploy_runner.errors import EdgeDeployError
from edge_deploy_runner.machine import telemetry

from .harness_jvm import probe

GOLDEN = ROOT / "tests" / "golden" / "android_request.json"

GOOD_TEXTS = [
    "{}", "[]", "null", "true", '" "', "0", "-0", "-1.5e-3", "1E+2", "123456789012345678",
    ' {"a" : [1, {"b": null}], "c": "\\u00e4\\ud83d\\ude00\\n\\/"} ', '"ä€😀"',
    "[" * 60 + "]" * 60,
]  # fmt: skip
BAD_TEXTS = [
    "", " ", "{", "[1,", "[1 2]", "{1: 2}", "{'a': 1}", '{"a" 1}', '{"a": 1,}', "[1,]", "01", "1.",
    ".5", "+1", "-", "1e", "0x1", "tru", "nul", "True", '"a', '"\\x"', '"\\u12g4"', '"\t"',
    "{} {}", "[1]x", "// no\n1", "1e999",
]  # fmt: skip
# Python's own reader takes these; ours does not.
STRICTER = ["NaN", "Infinity", "-Infinity", '{"a": 1, "a": 2}', "[" * 100 + "]" * 100]


def test_json_is_read_as_python_reads_it() -> None:
    found = probe({"call": "parse", "text": text} for text in GOOD_TEXTS)
    for text, answer in zip(GOOD_TEXTS, found, strict=True):
        assert answer == {"value": json.loads(text)}, text


@pytest.mark.parametrize("texts", [BAD_TEXTS, STRICTER], ids=["bad", "stricter"])
def test_damaged_json_is_refused_with_its_place(texts: list[str]) -> None:
    for text, answer in zip(
        texts, probe({"call": "parse", "text": text} for text in texts), strict=True
    ):
        assert answer.get("type") == "BadInputError", text
        assert ("(character " in answer["message"]) or "too large" in answer["message"]


def _python(text: str) -> dict[str, Any]:
    try:
        return {"value": RunSpec.from_json(json.loads(text)).to_json()}
    except EdgeDeployError as error:
        return {"type": type(error).__name__, "message": str(error)}


SPECS: list[dict[str, Any]] = [
    *({"delegate": name} for name in DELEGATES),
    RunSpec().to_json(),
    RunSpec(3, "none", 7, 1.5, 9, 0.25, 30.0, 400, 600.0).to_json(),
    {},
    {"threads": 2.0},
    {"min_seconds": 3},
]
BAD_SPECS: list[dict[str, Any]] = [
    {"thread": 1},
    {"threads": 1, "b": 1, "a": 2},
    {"threads": 0},
    {"threads": -1},
    {"threads": 1.5},
    {"threads": "1"},
    {"threads": True},
    {"threads": None},
    {"delegate": "hexagon"},
    {"delegate": 3},
    {"warm_up_runs": 0},
    {"min_runs": 0},
    {"max_runs": 0},
    {"min_seconds": -1},
    {"max_seconds": "x"},
    {"sustained_seconds": None},
]


def test_every_spec_is_read_and_refused_as_python_does() -> None:
    texts = [json.dumps(spec) for spec in SPECS + BAD_SPECS]
    answers = probe({"call": "spec", "text": text} for text in texts)
    for text, answer in zip(texts, answers, strict=True):
        python = _python(text)
        assert ("value" in answer) == (json.loads(text) in SPECS), text
        if "value" in python:
            assert answer == python, text
            assert list(answer["value"]) == list(python["value"])
            continue
        assert answer["type"] == python["type"], text
        # Python shows None and True where JSON says null and true.
        said = python["message"].replace("None", "null").replace("True", "true")
        assert answer["message"] == said, text


def test_the_golden_request_is_what_the_host_writes() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    job = HarnessJob(
        build=Build("1", golden["digest"]),
        name=golden["name"],
        spec=RunSpec(),
        threads=tuple(golden["threads"]),
        ranges=golden["ranges"],
        runtime_kind="litert",
        paths=RemotePaths(golden["model"], golden["runtime"]["library"], golden["runtime"]["shim"]),
    )
    assert job.request("run", golden["output"]) == golden
    assert list(job.request("run", golden["output"])) == list(golden)


def test_the_golden_request_is_what_java_reads() -> None:
    text = GOLDEN.read_text("utf-8")
    golden = json.loads(text)
    (answer,) = probe([{"call": "request", "text": text}])
    found = answer["value"]
    for key in ("task", "digest", "model", "name", "spec", "threads", "ranges", "operators"):
        assert found[key] == golden[key], key
    for key in ("kind", "library", "shim", "gpu_library"):
        assert found[key] == golden["runtime"][key]


def test_windows_and_answers_are_read() -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    windows = [{"kind": "idle", "seconds": 60}, {"kind": "load", "seconds": 1.5}]
    first, second = probe(
        [
            {"call": "request", "text": json.dumps({**golden, **more})}
            for more in (
                {"task": "windows", "windows": windows},
                {"task": "answers", "inputs": [["a", "b"], ["c"]], "outputs": [["d"], []]},
            )
        ]
    )
    assert first["value"]["windows"] == ["idle 60.0", "load 1.5"]
    assert second["value"]["inputs"] == [["a", "b"], ["c"]]
    assert second["value"]["outputs"] == [["d"], []]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "x"}, "format"),
        ({"format": None}, "format"),
        ({"version": 2}, "version 2"),
        ({"task": "erase"}, "erase"),
        ({"extra": 1}, "extra"),
        ({"model": 3}, "model"),
        ({"spec": {"delegates": 1}}, "delegates"),
        ({"spec": []}, "spec"),
        ({"threads": []}, "threads"),
        ({"threads": [0]}, "threads"),
        ({"threads": [1.5]}, "threads"),
        ({"threads": 4}, "threads"),
        ({"ranges": [[1]]}, "ranges"),
        ({"ranges": [["a", 2]]}, "ranges"),
        ({"runtime": None}, "runtime"),
        ({"runtime": {"kind": "litert"}}, "library"),
        ({"runtime": {"kind": "litert", "library": "x", "sim": "y"}}, "sim"),
        ({"task": "windows"}, "windows"),
        ({"task": "windows", "windows": [{"kind": "rest", "seconds": 1}]}, "rest"),
        ({"task": "windows", "windows": [{"kind": "idle", "seconds": -1}]}, "seconds"),
        ({"task": "answers", "inputs": [["a"]], "outputs": []}, "outputs"),
        ({"task": "answers", "inputs": [[1]], "outputs": [[]]}, "inputs"),
    ],
)
def test_requests_that_make_no_sense(changes: dict[str, Any], said: str) -> None:
    text = json.dumps({**json.loads(GOLDEN.read_text("utf-8")), **changes})
    (answer,) = probe([{"call": "request", "text": text}])
    assert answer["type"] == "BadInputError"
    assert said in answer["message"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with the /proc and /sys of a phone."""
    files = {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
        "sys/devices/system/cpu/cpu7/cpufreq/scaling_governor": "performance\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "300000\n",
        "sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq": "2850000\n",
        "sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq": "2850000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "300000\n",
        "sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq": "junk\n",
        "sys/class/thermal/thermal_zone3/temp": "41200\n",
        "sys/class/thermal/thermal_zone3/type": "BIG\n",
        "sys/class/thermal/thermal_zone12/temp": "38000\n",
        "sys/class/power_supply/usb/type": "USB\n",
        "sys/class/power_supply/battery/type": "Battery\n",
        "sys/class/power_supply/battery/capacity": "83\n",
        "sys/class/power_supply/battery/status": "Charging\n",
        "proc/loadavg": "1.25 0.5 0.2 2/900 1234\n",
        "proc/stat": "cpu  100 5 50 800 20 3 2 7 0 0\ncpu0 1 1 1 1\n",
        "proc/self/stat": "77 (a) b) S 1 77 77 0 -1 4 10 0 0 0 31 11 0 0 20 0 1 0 5 6 7\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_telemetry_is_pythons(machine: Path) -> None:
    java, cpu, nothing = probe(
        [
            {"call": "look", "root": str(machine)},
            {"call": "cpu", "root": str(machine)},
            {"call": "look", "root": str(machine / "none")},
        ]
    )
    python = telemetry.sample(machine)
    assert java["value"] == python.to_json()
    assert list(java["value"]) == list(python.to_json())
    assert java["value"]["frequency_mhz"] == 2850.0
    assert nothing["value"] == dict.fromkeys(java["value"])
    times = telemetry.cpu_times(machine)
    assert times is not None
    assert cpu["value"][:2] == [times.busy_s, times.total_s]
    assert cpu["value"][2] == pytest.approx(0.42)


def test_a_look_leaves_little_behind(machine: Path) -> None:
    """A phone has some hundred sensors, and what a look throws away would count as the model's."""
    for number in range(100, 200):
        zone = machine / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text("30000\n")
    (answer,) = probe([{"call": "look_bytes", "root": str(machine)}])
    assert answer["value"] < 1_000_000


def test_sensors_that_are_off_are_left_out(machine: Path) -> None:
    zones = machine / "sys/class/thermal"
    for number, milli in enumerate((0, -40000, 1_000_000)):
        zone = zones / f"thermal_zone{50 + number}"
        zone.mkdir()
        (zone / "temp").write_text(str(milli))
    (answer,) = probe([{"call": "look", "root": str(machine)}])
    assert set(answer["value"]["temperatures_celsius"]) == {
        "thermal_zone12", "thermal_zone3 (BIG)",
    }  # fmt: skip


def test_quantiles_and_halves_are_numpys() -> None:
    values = [5, 1, 9, 100, 42, 7, 7]
    asked = [{"call": "p", "values": values, "quantile": q} for q in (0.0, 0.5, 0.9, 1.0)]
    numbers = [0.0, 1.0, 0.5, 0.333251953125, 1024.5, 65504.0]
    found = probe([*asked, *({"call": "half", "number": number} for number in numbers)])
    for call, answer in zip(asked, found, strict=False):
        expected = float(np.quantile(np.array(values) / 1e6, call["quantile"]))
        assert answer["value"] == pytest.approx(expected)
    halves = [answer["value"] for answer in found[len(asked) :]]
    assert halves == [int(np.float16(number).view(np.uint16)) for number in numbers]


def test_specs_of_the_host_are_taken_as_they_are() -> None:
    specs = [replace(RunSpec(), delegate=name, min_seconds=0.1 + 0.2) for name in DELEGATES]
    texts = [json.dumps(spec.to_json()) for spec in specs]
    for spec, answer in zip(
        specs, probe({"call": "spec", "text": text} for text in texts), strict=True
    ):
        assert RunSpec.from_json(answer["value"]) == spec


def test_seconds_are_rounded_as_python_does() -> None:
    seconds = [0.1, 0.5, 1.5, 2.5, 3.5, 4.4, 59.5, 500.0]
    found = probe({"call": "parts", "text": str(value)} for value in seconds)
    assert [answer["value"] for answer in found] == [
        min(60, max(1, round(value))) for value in seconds
    ]
