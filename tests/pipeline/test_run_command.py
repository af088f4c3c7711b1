"""`edge-deploy run` through the real command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.contract import PRESETS
from PIL import Image
from small_models_photo import (
    COLORS,
    MOBILENET,
    grey_contract,
    rank_two_model,
    two_input_model,
    write_model,
    write_photo,
)  # fmt: skip

from edge_deploy.cli import run

SHARED = Path(__file__).parents[3] / "shared" / "models"
PHOTOS = Path(__file__).parents[2] / "assets" / "photos"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for color in COLORS:
        write_photo(tmp_path / "photos", color)
    return tmp_path / "photos"


def lines(capfd: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_every_kind_of_model_says_the_right_colour(
    tmp_path: Path, photos: Path, capfd: Capture, dtype: str, preset: str
) -> None:
    model = write_model(tmp_path, dtype=dtype, preprocessing=PRESETS[preset])
    assert run(["run", str(model), str(photos), "--json", "--top", "2"]) == 0
    answers = lines(capfd)
    assert [Path(answer["input"]).stem for answer in answers] == ["blue", "green", "red"]
    for answer in answers:
        assert list(answer) == ["input", "top", "timing_ms"]
        first, second = answer["top"]
        assert first["label"] == Path(answer["input"]).stem
        assert list(COLORS)[first["index"]] == first["label"]
        assert 0.9 < first["score"] <= 1
        assert second["score"] < 0.1
        assert set(answer["timing_ms"]) == {"decode", "preprocess", "inference", "total"}


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "LA", "I;16"])
def test_photos_of_every_mode(tmp_path: Path, capfd: Capture, mode: str) -> None:
    model = write_model(tmp_path, preprocessing=grey_contract())
    suffix = "tif" if mode == "CMYK" else "png"
    for name, value in (("dark", 5), ("bright", 250)):
        image = Image.new("L", (31, 17), value)
        if mode == "I;16":
            image = Image.new("I;16", (31, 17), value * 257)
        elif mode != "L":
            image = image.convert("RGB").convert(mode)
        image.save(tmp_path / f"{name}.{suffix}")
    assert run(["run", str(model), str(tmp_path / f"*.{suffix}"), "--json", "--top", "1"]) == 0
    assert [answer["top"][0]["label"] for answer in lines(capfd)] == ["bright", "dark"]


def test_a_rotated_photo_is_turned_upright(tmp_path: Path, capfd: Capture) -> None:
    # Red above blue as it should be seen; of a wide input, only the middle rows count.
    upright = Image.new("RGB", (40, 80), COLORS["red"])
    upright.paste(COLORS["blue"], (0, 0, 40, 24))
    upright.paste(COLORS["blue"], (0, 56, 40, 80))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    model = write_model(tmp_path, size=(40, 20))
    assert run(["run", str(model), str(tmp_path / "a.png"), "--json"]) == 0
    assert lines(capfd)[0]["top"][0]["label"] == "red"


def test_nchw_models(tmp_path: Path, photos: Path, capfd: Capture) -> None:
    model = write_model(tmp_path, preprocessing=MOBILENET._replace(layout="NCHW"))
    assert run(["run", str(model), str(photos / "green.png"), "--json"]) == 0
    assert lines(capfd)[0]["top"][0]["label"] == "green"


def test_the_human_line_has_label_percent_and_time(
    tmp_path: Path, photos: Path, capfd: Capture
) -> None:
    assert run(["run", str(write_model(tmp_path)), str(photos / "red.png"), "--top", "1"]) == 0
    output = capfd.readouterr()
    assert "red.png: red 99." in output.out
    assert output.out.rstrip().endswith("ms")
    assert output.err == ""


def test_failures_are_named_and_the_rest_is_done(
    tmp_path: Path, photos: Path, capfd: Capture
) -> None:
    (photos / "bad.png").write_text("no photo")
    model = str(write_model(tmp_path))
    arguments = [str(photos), "missing.png", str(photos / "red.png")]
    assert run(["run", model, *arguments, "--json"]) == 3
    answers = lines(capfd)
    assert [list(answer)[1] for answer in answers] == ["error", "top", "top", "top", "error", "top"]
    assert "bad.png" in answers[0]["error"]
    assert run(["run", model, *arguments]) == 3
    output = capfd.readouterr()
    assert len(output.out.splitlines()) == 4
    *errors, summary = output.err.splitlines()
    assert [line[:7] for line in errors] == ["Error: ", "Error: "]
    assert re.fullmatch(r"6 inputs in [\d.]+ s, [\d.]+ per second, 2 failed", summary)


def test_below_the_threshold_it_is_unknown(tmp_path: Path, capfd: Capture) -> None:
    Image.new("RGB", (9, 9), (129, 128, 128)).save(tmp_path / "grey.png")
    command = ["run", str(write_model(tmp_path)), str(tmp_path / "grey.png"), "--json"]
    assert run([*command, "--threshold", "0.5"]) == 0
    first, second, _ = lines(capfd)[0]["top"]
    assert (first["label"], first["index"]) == ("unknown", -1)
    assert second["label"] == "red"


def test_a_bare_model_is_told_its_contract(tmp_path: Path, photos: Path, capfd: Capture) -> None:
    model = str(write_model(tmp_path, contract=False))
    labels = tmp_path / "labels.txt"
    labels.write_text("rot\ngrün\nblau\n", "utf-8")
    photo = str(photos / "blue.png")
    assert run(["run", model, photo]) == 3
    assert "--preprocess" in capfd.readouterr().err
    options = ["--preprocess", "mobilenet", "--labels", str(labels)]
    assert run(["run", model, photo, *options, "--json"]) == 0
    assert lines(capfd)[0]["top"][0]["label"] == "blau"
    labels.write_text("rot\nblau\n")
    assert run(["run", model, photo, *options]) == 3
    assert "--background-class" in capfd.readouterr().err
    assert run(["run", model, photo, *options, "--background-class", "--json"]) == 0
    first = lines(capfd)[0]["top"][0]
    assert (first["label"], first["index"]) == ("blau", 2)


def test_a_contract_is_not_overridden_by_accident(
    tmp_path: Path, photos: Path, capfd: Capture
) -> None:
    command = ["run", str(write_model(tmp_path)), str(photos / "red.png"), "--preprocess", "0-1"]
    assert run(command) == 3
    assert "--override" in capfd.readouterr().err
    assert run([*command, "--override"]) == 0


def test_models_that_are_no_classifiers(tmp_path: Path, photos: Path, capfd: Capture) -> None:
    for content, message in ((two_input_model(), "2 inputs"), (rank_two_model(), "not one photo")):
        path = tmp_path / "other.tflite"
        path.write_bytes(content)
        assert run(["run", str(path), str(photos / "red.png")]) == 3
        assert message in capfd.readouterr().err


def test_usage_errors(tmp_path: Path, photos: Path, capfd: Capture) -> None:
    model = str(write_model(tmp_path))
    assert run(["run", model]) == 2
    assert run(["run", model, str(photos), "--top", "0"]) == 2
    assert run(["run", model, str(photos), "--preprocess", "mobilnet"]) == 2
    assert "mobilenet, efficientnet-lite" in capfd.readouterr().err


def test_a_damaged_copy_is_caught_by_its_card(tmp_path: Path, photos: Path, capfd: Capture) -> None:
    model = write_model(tmp_path)
    card = {"format": "edge-deploy card", "model": {"sha256": "0" * 64}}
    model.with_suffix(".json").write_text(json.dumps(card))
    assert run(["run", str(model), str(photos)]) == 3
    assert "copy both files again" in capfd.readouterr().err


def test_the_run_path_imports_nothing_heavy(tmp_path: Path, photos: Path) -> None:
    code = (
        "import sys\n"
        "from edge_deploy.cli import run\n"
        "code = run(sys.argv[1:])\n"
        "heavy = 'tensorflow keras tf_keras torch rich litert_quantizer edge_deploy_converters'\n"
        "loaded = [name for name in heavy.split() if name in sys.modules]\n"
        "assert not loaded, loaded\n"
        "sys.exit(code)\n"
    )
    for options in ([], ["--json"]):
        line = ["run", str(write_model(tmp_path)), str(photos), *options]
        ended = subprocess.run(
            [sys.executable, "-c", code, *line], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert len(ended.stdout.splitlines()) == 3


def test_in_a_process_of_its_own(tmp_path: Path, photos: Path) -> None:
    command = [sys.executable, "-m", "edge_deploy", "run", str(write_model(tmp_path))]
    ended = subprocess.run(
        [*command, *[str(photos)] * 50, "--json"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 150)
    assert re.fullmatch(r"150 inputs in [\d.]+ s, [\d.]+ per second\n", ended.stderr)


def test_the_sample_photos_are_read(tmp_path: Path, capfd: Capture) -> None:
    assert run(["run", str(write_model(tmp_path)), str(PHOTOS), "--json"]) == 0
    assert len(lines(capfd)) >= 4


@pytest.mark.needs_shared
def test_the_parrot_is_a_parrot_not_the_class_beside_it(capfd: Capture) -> None:
    model = SHARED / "mobilenet_v2_1.0_224_quant.tflite"
    assert run(["run", str(model), str(SHARED / "parrot.jpg"), "--json"]) == 0
    first = lines(capfd)[0]["top"][0]
    assert (first["label"], first["index"]) == ("macaw", 89)
