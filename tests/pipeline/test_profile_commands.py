"""The commands profile, judge and diff on real models."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import small_models
from edge_deploy_runner.bench.record_reading import read_measurement
from edge_deploy_runner.errors import UsageError
from golden_keys import check_golden

from edge_deploy.cli import run
from edge_deploy.comparing import diff
from edge_deploy.profiling import profile

FAST = ["--runs", "30", "--seconds", "0.05"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_models.float_model())
    return path


BUDGET = '[limits]\nsize = "1 MB"\nlatency_p50 = "1 h"\n'


def test_profile_writes_judges_and_prints_one_document(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text(BUDGET)
    out, junit = tmp_path / "out" / "m.json", tmp_path / "junit.xml"
    command = [
        "profile", str(model), *FAST, "--threads", "1", "--json", "-o", str(out),
        "--budget", str(budget), "--junit", str(junit),
    ]  # fmt: skip
    assert run(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"]["status"] == "pass"
    check_golden("verdict_keys.json", document["verdict"])
    assert json.loads(out.read_text()) == document
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "0"
    assert read_measurement(out).model.name == "small.tflite"
    # Neither file is replaced without leave.
    before = out.read_bytes()
    assert run(command) == 7
    assert out.read_bytes() == before
    assert run([*command, "--force"]) == 0


def test_a_gate_that_does_not_pass_is_exit_1(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\nsize = "10 B"\n')
    assert run(["profile", str(model), *FAST, "--no-operators", "--budget", str(budget)]) == 1
    shown = capsys.readouterr().out
    assert "verdict: fail" in shown
    assert "measured" in shown


def test_judge_and_diff_of_measurements(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text(BUDGET)
    files = []
    for number in range(2):
        files.append(str(tmp_path / f"{number}.json"))
        assert run(["profile", str(model), *FAST, "--no-operators", "-o", files[-1]]) == 0
    capsys.readouterr()
    assert run(["judge", *files, "--budget", str(budget), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "pass"
    budget.write_text('[limits]\naccuracy_drop = "1 pt"\n')
    assert run(["judge", *files, "--budget", str(budget)]) == 1
    assert "unmeasured" in capsys.readouterr().out
    assert run(["diff", files[0], files[0], "--json"]) == 0
    check_golden("diff_keys.json", json.loads(capsys.readouterr().out))


def test_diff_of_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 16 times the pixels: no noise hides that.
    small, large = tmp_path / "small.tflite", tmp_path / "large.tflite"
    small.write_bytes(small_models.float_model(32))
    large.write_bytes(small_models.float_model(128))
    found = diff(small, large, threads=1)
    change = next(c for c in found.changes if c.metric == "latency_p50")
    assert change.status == "worse"
    assert change.ci95 is not None
    assert change.ratio is not None
    assert change.ci95[0] <= change.ratio <= change.ci95[1]
    assert run(["diff", str(small), str(large), "--threads", "1"]) == 1
    assert "worse" in capsys.readouterr().out
    assert diff(large, small, threads=1).status == "better"


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--device", "ssh://pi@no-such-board.invalid"], 5, "no host called"),
        (["--device", "ssh://pi:secret@host"], 2, "takes no password"),
        (["--device", "ssh://pi@-oProxyCommand=x"], 2, "no host name"),
        (["--wheels", "x"], 2, "over ssh"),
        (["--meter", "voltmeter"], 2, "pmic, ina219"),
        (["--meter", "ina219@x"], 2, "KIND@ADDRESS,OHMS"),
        (["--meter", "pmic", "--watts", "1:2"], 2, "exclude each other"),
        (["--meter", "pmic"], 5, "vcgencmd"),
        (["--device", "android:"], 2, "names no serial"),
        (["--device", "android", "--mode", "daemon"], 2, "shell, app"),
        (["--device", "android", "--cpus", "fast"], 2, "big, little, all"),
        (["--device", "android", "--cpus", "0", "--mode", "app"], 2, "cannot be bound"),
        (["--device", "android", "--meter", "pmic"], 2, "--meter phone"),
        (["--device", "android", "--wheels", "x"], 2, "over ssh"),
        (["--device", "android", "--runtime", "/nonexistent/a.so"], 3, "cannot be read"),
        (["--mode", "app"], 2, "--mode is for a phone"),
        (["--meter", "phone"], 2, "--meter phone is for a phone"),
        (["--device", "raspberry-pi-4b"], 2, "--runs needs the device itself"),
        (["--device", "raspbery-pi-4b"], 2, "did you mean raspberry-pi-4b"),
        (["--threads", "many"], 2, "sweep"),
        (["--threads", "0"], 2, "sweep"),
        (["--delegate", "gpu"], 2, "auto, xnnpack, none"),
        (["--runs", "0"], 2, "--runs is 0"),
        (["--seconds", "-1"], 2, "--seconds is -1"),
        (["--power-profile", "toaster"], 2, "`edge-deploy devices list` has all"),
        (["--battery", "much"], 3, "5000mAh@3.85V"),
        (["--watts", "6:2"], 3, "above the idle"),
        (["--rate", "1/s"], 2, "--battery"),
        (["--rate", "5 parsecs", "--battery", "1mAh@1V"], 3, "valid units"),
        (["--junit", "x.xml"], 2, "--budget"),
        (["--budget", "/nonexistent/b.toml"], 3, "no budget"),
    ],
)
def test_what_is_refused(
    model: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    named: str,
) -> None:
    assert run(["profile", str(model), *FAST, *arguments]) == code
    captured = capsys.readouterr()
    assert named in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_lent_power_model_is_predicted_and_warned_of(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(
        ["profile", str(model), *FAST, "--no-operators", "--json", "--power-profile", "pixel-4"]
    ) == 0  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert document["energy"]["evidence"] == "predicted"
    assert document["energy"]["low"] < document["energy"]["mj_per_inference"]
    assert document["battery"]["capacity_mah"] == 2800
    hours = document["battery"]
    assert hours["hours_continuous_low"] < hours["hours_continuous"] < hours["hours_idle"]
    assert any("Pixel 4" in text for text in document["warnings"])


def test_unknown_devices_raise_usage_errors(model: Path) -> None:
    with pytest.raises(UsageError):
        profile(model, device="toaster")
