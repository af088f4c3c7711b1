"""`profile --device ID` with nothing at hand: figures, refusals, verdicts, what is not loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_models
from edge_deploy_runner.bench.record_reading import measurement_from_json, read_measurement
from edge_deploy_runner.errors import BadInputError, UsageError
from golden_keys import check_golden
from known_devices import FACTS, KINDS, latency, write_device

import edge_deploy
from edge_deploy.catalogue import all_profiles
from edge_deploy.cli import run
from edge_deploy.energy import Battery, user_power
from edge_deploy.prediction.predicting import quoted

MODELS = [
    latency(),
    latency(0.09, threads=1),
    latency(0.07, threads=2),
    latency(0.02, "int8"),
    latency(2.0, runtime="TFLite 2.5", source="an old table"),
]
OWN = latency(2.0, standing="measured", source="my own phone", runtime="LiteRT 2.0")


@pytest.fixture(autouse=True)
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's devices with a board and a phone in it."""
    folder = tmp_path / "devices"
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(folder))
    write_device(folder, MODELS)
    battery = (
        'battery_mah = { value = 3000, source = "made up", standing = "guess" }\n'
        'battery_v = { value = 3.85, source = "made up", standing = "guess" }\n'
    )
    write_device(folder, MODELS, "test-phone", "phone", FACTS + battery, "Test Phone")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_models.float_model(64))
    return path


def mmac(size: int = 64) -> float:
    """Millions of multiply-accumulates of `float_model(size)`."""
    from edge_deploy_runner.tflite.model_file import ModelFile

    from edge_deploy.prediction.features import features
    from edge_deploy.prediction.workload import read_workload

    return features(read_workload(ModelFile(small_models.float_model(size))))["dense_mmac"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert len(captured.err.strip().splitlines()) == 1
    return code, captured.err


def test_a_prediction_holds_its_promises(model: Path) -> None:
    found = edge_deploy.profile(model, device="test-board")
    assert (found.evidence, found.latencies_ns, found.load_ms) == ("predicted", (), None)
    assert found.spec.threads == 4
    assert found.model.size_bytes == model.stat().st_size
    assert found.prediction is not None
    p50, p90 = (found.prediction.latency[name] for name in ("p50", "p90"))
    assert p50.value == pytest.approx(0.05 * mmac())
    for entry in (p50, p90, found.prediction.peak_memory):
        assert entry.low is not None
        assert entry.high is not None
        assert entry.low < entry.value < entry.high
    basis = found.prediction.basis
    assert (basis.device, basis.runtime, basis.made) == ("test-board", "LiteRT 2.1", "2026-01-31")
    assert basis.models == 8
    assert len(basis.nearest) == 3
    assert basis.replace_with == (
        f"edge-deploy profile {model} --device ssh://USER@HOST --threads 4"
    )
    assert measurement_from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_command_is_for_the_users_own_shell() -> None:
    assert quoted("models/my net.tflite", windows=False) == "'models/my net.tflite'"
    assert quoted(r"C:\my models\net.tflite", windows=True) == r'"C:\my models\net.tflite"'
    assert quoted(r"models\net.tflite", windows=True) == r"models\net.tflite"


def test_p90_rests_on_the_calibrations_own_tail(model: Path, devices: Path) -> None:
    path = write_device(devices, [latency(p90_over_p50=(1.2, 1.3))])
    found = edge_deploy.profile(model, device="test-board")
    assert found.prediction is not None
    p50, p90 = (found.prediction.latency[name] for name in ("p50", "p90"))
    assert p50.low is not None
    assert p50.high is not None
    assert (p90.low, p90.high) == pytest.approx((p50.low * 1.2, p50.high * 1.3))
    assert "calibration of this device" in found.prediction.basis.tail
    text = path.read_text()
    assert text.count("1.2,") == 1
    path.write_text(text.replace("1.2,", "0.9,"))
    with pytest.raises(BadInputError, match="p90_over_p50"):
        edge_deploy.profile(model, device="test-board")


def test_energy_is_worked_out_from_the_ends_of_both(model: Path) -> None:
    found = edge_deploy.profile(model, device="test-board")
    assert found.prediction is not None
    p50 = found.prediction.latency["p50"]
    assert p50.low is not None
    assert p50.high is not None
    # Four of eight cores: half of 6 to 7 W above 2 to 2.4 W.
    assert found.energy.evidence == "predicted"
    assert found.energy.low == pytest.approx((6.0 - 2.4) / 2 * p50.low)
    assert found.energy.high == pytest.approx((7.0 - 2.0) / 2 * p50.high)
    assert found.battery is None
    stated = edge_deploy.profile(model, device="test-board", power=user_power(2.0, 5.0))
    assert stated.energy.mj_per_inference == pytest.approx(3.0 * p50.value)
    assert stated.energy.evidence == "predicted"  # the watts are the user's, the time is not
    assert (stated.energy.idle_w, stated.energy.idle_evidence) == (2.0, "user")
    assert found.energy.idle_evidence is None


def test_batteries(model: Path) -> None:
    phone = edge_deploy.profile(model, device="test-phone", rate_hz=1.0)
    assert phone.battery is not None
    assert phone.battery.capacity_mah == 3000
    assert phone.battery.hours_at_rate is not None
    board = edge_deploy.profile(model, device="test-board", battery=Battery(5000, 3.85))
    assert board.battery is not None
    assert board.battery.evidence == "predicted"
    with pytest.raises(UsageError, match="--rate needs a battery"):
        edge_deploy.profile(model, device="test-board", rate_hz=1.0)
    with pytest.raises(BadInputError, match="cannot be done"):
        edge_deploy.profile(model, device="test-phone", rate_hz=1e6)


def test_a_sweep_of_predictions(model: Path) -> None:
    found = edge_deploy.profile(model, device="test-board", threads="sweep")
    assert [point.threads for point in found.sweep] == [1, 2, 4]
    assert found.spec.threads == 4
    assert found.sweep[0].latency()["p50"] != found.latency()["p50"]
    assert found.sweep[2].latency() == found.latency()
    assert measurement_from_json(found.to_json()) == found


def test_sources_that_disagree_are_both_shown(model: Path, devices: Path) -> None:
    own = latency(0.06, standing="measured", source="my own board", runtime="LiteRT 2.0")
    write_device(devices, [*MODELS, own])
    found = edge_deploy.profile(model, device="test-board")
    assert found.prediction is not None
    basis = found.prediction.basis
    assert (basis.source, basis.standing) == ("my own board", "measured")
    assert [other.source for other in basis.others] == ["an old table"]  # 0.05 and 0.06 meet
    assert any("an old table" in text for text in found.warnings)
    old = edge_deploy.profile(model, device="test-board", runtime_version="2.5")
    assert old.prediction is not None
    assert old.prediction.basis.runtime == "TFLite 2.5"
    other_delegate = latency(2.0, delegate="none", runtime="LiteRT 2.1")
    write_device(devices, [*MODELS, other_delegate])  # two published runtimes may differ
    published = edge_deploy.profile(model, device="test-board")
    assert published.prediction is not None
    assert published.prediction.basis.others == ()
    assert published.prediction.basis.other_runtimes == ("TFLite 2.5",)


def test_a_damaged_entry_of_another_device_does_not_matter(model: Path, devices: Path) -> None:
    text = (devices / "test-phone.toml").read_text()
    (devices / "test-phone.toml").write_text(text.replace("dense_mmac = 0.05", "dense_mmac = -1"))
    assert edge_deploy.profile(model, device="test-board").evidence == "predicted"
    with pytest.raises(BadInputError, match="test-phone"):
        edge_deploy.profile(model, device="test-phone")


def test_more_than_a_fifth_of_unknown_work_is_refused(model: Path, devices: Path) -> None:
    write_device(devices, [latency(kinds=("ADD", "SOFTMAX"))])
    with pytest.raises(BadInputError, match=r"\d+% of the work of small\.tflite .*CONV_2D"):
        edge_deploy.profile(model, device="test-board")
    few = [kind for kind in KINDS if kind not in ("SOFTMAX", "MEAN")]
    write_device(devices, [latency(kinds=tuple(few))])
    assert edge_deploy.profile(model, device="test-board").evidence == "predicted"


def test_coefficients_that_were_scaled_from_a_sibling(
    model: Path, devices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled = latency(
        points=(), standing="guess", like="raspberry-pi-4b", scale_note="those of a Pi 4, times 2",
        residuals=(0.1, -0.2, 0.3, -0.4, 0.5), spread=0.3,
    )  # fmt: skip
    write_device(devices, [scaled])
    assert run(["profile", str(model), "--device", "test-board"]) == 0
    captured = capsys.readouterr()
    assert "no model's time on this device: those of a Pi 4, times 2" in captured.out
    assert (
        "Warning: no model was timed on Test Board: what is predicted rests on raspberry-pi-4b"
        in captured.err
    )
    assert "nearest models" not in captured.out  # a Pi 4 has no times of that runtime


def test_coefficients_that_were_scaled_over_another_device(
    model: Path, devices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "no point of its own: the coefficients of {} times 0.9, the ratio of their clocks"
    for name, like in (("middle", "test-board"), ("last", "middle")):
        scaled = latency(
            points=(), standing="guess", like=like, scale_note=note.format(like), spread=0.3
        )
        write_device(devices, [scaled], name, name=name.title())
    out = model.with_name("p.json")
    assert run(["profile", str(model), "--device", "last", "-o", str(out)]) == 0
    captured = capsys.readouterr()
    assert f"prediction written to {out}" in captured.err
    assert "rests on the Test Board, by way of middle" in captured.err
    text = " ".join(captured.out.split())
    assert (
        "no model's time on this device: scaled by clock from the Test Board, by way of middle; "
        "the coefficients of middle times 0.9" in text
    )
    assert "(on test-board)" in text
    found = read_measurement(out).prediction
    assert found is not None
    assert [near.device for near in found.basis.nearest] == ["test-board"] * 3


def test_coefficients_that_count_nothing_of_a_model(model: Path, devices: Path) -> None:
    write_device(devices, [latency(coefficients={"fc_mmac": 1.0}, points=())])
    with pytest.raises(BadInputError, match="say nothing of this model's work"):
        edge_deploy.profile(model, device="test-board")


def test_warnings_of_memory_and_storage(model: Path, devices: Path) -> None:
    facts = (
        'ram = { value = "4 MB", source = "made up", standing = "guess" }\n'
        'storage_budget = { value = "1 kB", source = "made up", standing = "guess" }\n'
    )
    write_device(devices, [latency(standing="guess")], facts=FACTS + facts)
    text = " ".join(edge_deploy.profile(model, device="test-board").warnings)
    for words in ("has 4 MB", "allows a model", "rests on guesses"):
        assert words in text


def test_the_json_keys_are_golden(
    model: Path, tmp_path: Path, devices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_device(devices, [*MODELS, OWN])
    out = tmp_path / "p.json"
    line = [
        "profile", str(model), "--device", "test-board", "--threads", "sweep", "--rate", "1/s",
        "--battery", "5000mAh@3.85V",
    ]  # fmt: skip
    assert run([*line, "--json", "-o", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(out.read_text())
    check_golden("predict_keys.json", document)
    assert read_measurement(out).to_json() == document


def test_the_table_says_what_it_rests_on(
    model: Path, devices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_device(devices, [*MODELS, OWN], "test-phone", "phone")
    assert run(["profile", str(model), "--device", "test-phone", "--threads", "sweep"]) == 0
    captured = capsys.readouterr()
    lines = {line.split("  ")[0].strip(): line for line in captured.out.splitlines()}
    for name in ("p50", "p90", "peak memory", "energy"):
        assert "predicted" in lines[name]
        assert "[" in lines[name]
    text = " ".join(captured.out.split())
    for words in (
        "nothing was run", "times of 8 models", "fitted 2026-01-31", "LiteRT 2.1", "net-",
        "my own phone (measured by you)", "a table that was made up", "80% of models",
        "To measure instead: edge-deploy profile",
    ):  # fmt: skip
        assert words in text
    assert "(on " not in text
    assert "disagrees" in text
    assert "Warning: another source disagrees" in captured.err


def test_why_adds_how_the_figures_come_about(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["profile", str(model), "--device", "test-phone"]
    told = {}
    for options in ([], ["--why"], ["--json"], ["--json", "--why"]):
        assert run([*line, *options]) == 0
        told[" ".join(options)] = " ".join(capsys.readouterr().out.split())
    for words in ("no prediction knows them", "times p50, a guess", "(--runtime-version)"):
        assert words not in told[""]
        assert words in told["--why"]
    assert told["--json"] == told["--json --why"]


@pytest.mark.parametrize("device", ["local", "ssh://pi@host", "android"])
def test_a_measurement_has_no_why(
    model: Path, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    code, text = refused(capsys, "profile", model, "--device", device, "--why")
    assert code == 2
    assert "--why explains a prediction" in text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--meter", "pmic"], 2, "--meter needs the device itself"),
        (["--mode", "app"], 2, "--mode needs"),
        (["--cpus", "big"], 2, "--cpus needs"),
        (["--sustained", "60"], 2, "--sustained needs"),
        (["--sustained", "0"], 2, "--sustained needs"),
        (["--seconds", "0"], 2, "--seconds needs"),
        (["--runs", "5"], 2, "--runs needs"),
        (["--wheels", "."], 2, "--wheels needs"),
        (["--keep"], 2, "--keep needs"),
        (["--threads", "3"], 2, "are of 1, 2, 4 threads"),
        (["--threads", "0"], 2, "threads"),
        (["--delegate", "gpu"], 2, "that delegate on Android only"),
        (["--delegate", "nnapi"], 2, "that delegate on Android only"),
        (["--delegate", "tpu"], 2, "unknown delegate"),
        (["--delegate", "none"], 2, "are of xnnpack"),
        (["--runtime-version", "TFLite 1.15"], 2, "LiteRT 2.1, TFLite 2.5"),
        (["--power-profile", "raspberry-pi-5"], 2, "its own power model"),
        (["--rate", "1/s"], 2, "--rate needs a battery"),
        (["--battery", "0mAh@3.85V"], 3, "0"),
    ],
)
def test_options_that_no_prediction_answers(
    model: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    found, text = refused(capsys, "profile", model, "--device", "test-board", *options)
    assert words in text
    assert found == code


def test_a_runtime_version_is_for_predictions(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = refused(capsys, "profile", model, "--runtime-version", "2.5")
    assert (code, "for predictions" in text) == (2, True)


def test_an_unknown_device_lists_near_ones(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = refused(capsys, "profile", model, "--device", "test-bord")
    assert code == 2
    assert "did you mean test-board? `edge-deploy devices list` has all" in text
    assert "raspberry-pi-5" not in text  # which is not near


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (small_models.undelegated_model(), ""),
        (small_models.custom_operator_model(), "Mystery"),
        (small_models.custom_operator_model("FlexErf"), "Flex"),
        (b"TFL3", ""),
        (small_models.float_model()[:1000], ""),
    ],
    ids=["no MACs", "custom", "flex", "junk", "truncated"],
)
def test_models_that_cannot_be_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, words: str
) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(data)
    code, text = refused(capsys, "profile", path, "--device", "test-board")
    assert code == 3
    assert words in text
    assert "bad.tflite" in text


def test_a_device_or_dtype_without_times_is_bad_input(
    model: Path, devices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for models in ([], [latency(dtype="int8")]):
        write_device(devices, models)
        code, text = refused(capsys, "profile", model, "--device", "test-board")
        assert (code, "measure on the device itself" in text) == (3, True)


def judged(model: Path, tmp_path: Path, budget: str, *options: str) -> tuple[int, dict[str, Any]]:
    file, out = tmp_path / "budget.toml", tmp_path / "out.json"
    file.write_text(budget)
    code = run(
        ["profile", str(model), "--device", "test-board", "--budget", str(file), "-o", str(out),
         "--force", *options]
    )  # fmt: skip
    return code, json.loads(out.read_text())["verdict"]


def test_the_gate_of_a_budget(model: Path, tmp_path: Path) -> None:
    limits = '[limits]\nlatency_p50 = "1 s"\nsize = "1 MB"\npeak_memory = "1 GB"\n'
    code, verdict = judged(model, tmp_path, limits)
    assert (code, verdict["status"]) == (1, "unmeasured")
    junit = tmp_path / "verdict.xml"
    allowed = f'device = "test-board"\nallow = ["predicted"]\n{limits}'
    code, verdict = judged(model, tmp_path, allowed, "--junit", str(junit))
    assert (code, verdict["status"]) == (0, "pass")
    assert [entry["evidence"] for entry in verdict["checks"]] == [
        "predicted", "measured", "predicted",
    ]  # fmt: skip
    assert "far end of its 80% interval" in junit.read_text()
    assert (
        run(["judge", str(tmp_path / "out.json"), "--budget", str(tmp_path / "budget.toml")]) == 0
    )


def test_a_budget_of_another_device(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = model.parent / "other.toml"
    for wanted in ("raspberry-pi-5", "local", "android"):
        budget.write_text(f'device = "{wanted}"\n[limits]\nsize = "1 MB"')
        line = ("profile", model, "--device", "test-board", "--budget", budget)
        code, text = refused(capsys, *line)
        assert code == 2
        assert f"the budget is for {wanted} and --device is test-board; predict for" in text


@pytest.mark.parametrize("device", [name for name in all_profiles() if "test" not in name])
def test_every_device_of_the_catalogue_answers(model: Path, device: str) -> None:
    found = edge_deploy.profile(model, device=device)
    assert found.prediction is not None
    assert found.prediction.basis.device == device
    assert found.prediction.basis.replace_with.startswith("edge-deploy profile")
    assert measurement_from_json(json.loads(json.dumps(found.to_json()))) == found


# Runs one command line, then prints which modules were imported.
_DRIVER = """
import json, sys
from edge_deploy.cli import run
code = run(sys.argv[1:])
sys.stdout.flush()
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


def test_no_runtime_is_opened(model: Path) -> None:
    line = [sys.executable, "-c", _DRIVER, "profile", str(model), "--device", "test-board"]
    ended = subprocess.run(line, capture_output=True, text=True, check=True)
    code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0
    loaded = {name.partition(".")[0] for name in modules}
    assert "numpy" in loaded
    assert not loaded & {
        "tensorflow", "keras", "torch", "onnx", "scipy", "ai_edge_litert", "tflite_runtime",
        "litert_quantizer", "flatbuffers", "tomli_w",
    }  # fmt: skip
