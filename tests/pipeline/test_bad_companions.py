"""What is given beside the model and is wrong: labels, recipes, data, budgets, options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_deploy.cli import run

from .bad_lines import converted, png

FLOATS = np.zeros((9, 16, 24, 3), np.float32)


LABELS: dict[str, tuple[bytes, str]] = {
    "count": (b"a\nb\n", "2 labels but the model has 3 outputs"),
    "one more": (b"a\nb\nc\nd\n", "4 labels but the model has 3 outputs"),
    "empty": (b"", "holds no labels"),
    "blank": (b"\n \n", "holds no labels"),
    "binary": (bytes(range(256)), "not a text file"),
    "zeros": (b"a\0\nb\nc\n", "not a text file"),
}


@pytest.mark.parametrize("kind", [*LABELS, "folder", "missing"])
def test_label_files(house: Path, say: Callable[..., str], kind: str) -> None:
    data, words = LABELS.get(kind, (b"", "cannot be read"))
    path = house / "labels.txt"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(data)
    given = ["--labels", path, "--preprocess", "mobilenet"]
    assert words in say(3, "run", house / "bare.tflite", house / "red.png", *given)
    assert words in say(3, "convert", house / "bare.tflite", "-o", house / "out", *given)
    assert converted(house / "out") == []


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("nope", None, 2, "use one of mobilenet"),
        ("none.toml", None, 3, "cannot be read"),
        ("a.toml", b"foo = 1", 3, "unknown preprocessing key 'foo'; valid keys"),
        ("a.toml", b"mean = [1, 2]", 3, "1 or 3 finite numbers"),
        ("a.toml", b"std = 0", 3, "greater than 0"),
        ("a.toml", b"=", 3, "cannot be parsed"),
        ("a.json", b"[" * 100_000, 3, "cannot be parsed"),
        ("a.json", b"\xff\xfe", 3, "cannot be read"),
        ("x" * 300 + ".toml", None, 3, "cannot be read"),
    ],
)
def test_preprocessing(
    house: Path, say: Callable[..., str], name: str, content: bytes | None, code: int, words: str
) -> None:
    if content is not None:
        (house / name).write_bytes(content)
    given = ["--preprocess", name if name == "nope" else house / name]
    assert words in say(code, "run", house / "bare.tflite", house / "red.png", *given)
    assert words in say(code, "convert", house / "bare.tflite", "-o", house / "out", *given)


@pytest.mark.parametrize(
    ("recipe", "code", "words"),
    [
        (["int9"], 2, "use one of float32"),
        ([""], 2, "use one of float32"),
        (["float32", "float32"], 2, "asked for twice"),
        (["int8"], 2, "add --calibration"),
        (["none.toml"], 3, "cannot be read"),
        (["bad.toml"], 3, "unknown operator 'NOPE'"),
        (["long.toml"], 7, "cannot write to"),
    ],
)
def test_recipes(
    house: Path, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch, recipe: list[str],
    code: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(house)
    Path("bad.toml").write_text('activations = "dynamic"\nkeep_float = [{operator = "NOPE"}]')
    long = 'weights = "float32"\nactivations = "float32"\nname = "' + "n" * 300 + '"'
    Path("long.toml").write_text(long)
    given = [part for name in recipe for part in ("-r", name)]
    assert words in say(code, "convert", "m.tflite", "-o", "out", *given)
    assert converted(Path("out")) == []


def _calibrations(folder: Path) -> Iterator[tuple[Path, str]]:
    for name in ("none", "text", "bomb"):
        (folder / name).mkdir()
    yield folder / "none", "holds no photo that can be read"
    for n in range(6):
        (folder / "text" / f"{n}.jpg").write_text("text" if n else "")
    yield folder / "text", "6 tried"
    Image.new("1", (20_000, 20_000)).save(folder / "bomb" / "b.png")
    yield folder / "bomb", "decompression bomb"
    arrays: dict[str, Any] = {
        "nan": FLOATS * np.nan,
        "shape": FLOATS[:, 0],
        "few": FLOATS[:3],
        "objects": np.array([{}] * 9, object),
        "channels": np.zeros((9, 4, 4, 2), np.uint8),
    }
    for name, array in arrays.items():
        np.savez(folder / f"{name}.npz", x=array)
        yield folder / f"{name}.npz", f"{name}.npz"
    (folder / "random.npz").write_bytes(os.urandom(300))
    yield folder / "random.npz", "save it with numpy.savez"
    yield folder / "red.png", "neither a folder of photos nor an .npz"
    yield folder / "gone", "there is no calibration data"


def test_calibration_data(
    house: Path, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for path, words in _calibrations(house):
        line = ["convert", house / "m.tflite", "-o", house / "out", "-r", "int8"]
        assert words in say(3, *line, "--calibration", path)
    assert converted(house / "out") == []
    bomb = house / "bomb" / "b.png"
    assert "decompression bomb" in say(3, "run", house / "m.tflite", bomb)


def test_inputs_that_are_all_the_same_make_no_model(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = house / "same.npz", house / "out"
    np.savez(data, x=np.zeros((60, 16, 24, 3), np.float32))
    line = ["convert", house / "m.tflite", "-o", out, "-r", "int8", "--calibration", data]
    assert run([str(part) for part in line]) == 4
    words = capsys.readouterr().err
    assert words.count("Error: ") == 1
    assert "calibrate with more varied inputs" in words
    assert converted(out) == []


BUDGETS = {
    b'[limits]\nsiz = "5 MB"': "did you mean size? valid keys",
    b'[limits]\nsize = "-5 MB"': "-5 MB",
    b'[limits]\nlatency_p90 = "5 parsecs"': "parsecs",
    b'[limits]\nsize = "nan MB"': "nan",
    b"[limits]\nsize = true": "True",
    b'[limit]\nsize = "5 MB"': "did you mean limits?",
    b"\xff\xfe": "not a text file",
    b"": "sets no limits",
    b"x": "is not TOML",
}


@pytest.mark.parametrize(("content", "words"), BUDGETS.items())
def test_budgets(house: Path, say: Callable[..., str], content: bytes, words: str) -> None:
    (house / "b.toml").write_bytes(content)
    (house / "m.json").write_text("{}")
    assert words in say(3, "judge", house / "m.json", "--budget", house / "b.toml")
    assert words in say(3, "profile", house / "m.tflite", "--budget", house / "b.toml")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 99_999, png()])
def test_measurements(house: Path, say: Callable[..., str], content: bytes) -> None:
    (house / "b.toml").write_text('[limits]\nsize = "5 MB"')
    (house / "m.json").write_bytes(content)
    say(3, "judge", house / "m.json", "--budget", house / "b.toml")
    say(3, "diff", house / "m.json", house / "m.json")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runs", "0"], "--runs is 0"),
        (["--sustained", "-1"], "--sustained is -1"),
        (["--seconds", "-1"], "--seconds is -1"),
        (["--meter", "phone@3"], "takes no address; write --meter phone"),
        (["--device", "Android"], "did you mean android?"),
        (["--device", "adb"], "did you mean android?"),
        (["--device", "android://9A1"], "write android:9A1"),
        (["--budget", "phone.toml"], "the budget is for android and --device is local"),
    ],
)
def test_options_of_profile_are_named(
    house: Path, say: Callable[..., str], options: list[str], words: str
) -> None:
    budget = house / "phone.toml"
    budget.write_text('device = "android"\n[limits]\nsize = "1 GB"\n')
    options = [str(budget) if option == "phone.toml" else option for option in options]
    assert words in say(2, "profile", house / "m.tflite", *options)


def test_what_stands_in_the_wrong_table_is_told_where_to_stand(
    house: Path, say: Callable[..., str]
) -> None:
    budget = house / "allow.toml"
    budget.write_text('[limits]\nsize = "1 GB"\nallow = ["predicted"]\n')
    said = say(3, "profile", house / "m.tflite", "--budget", budget)
    assert "allow stands in [limits]; write it above" in said
