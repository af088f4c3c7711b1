"""What people really type and have: each wrong thing is one sentence, one exit code, no remains.

Most command lines run in one process, through the function that the console script calls; those
about processes, streams and permissions start real ones. Damaged models are in
`test_damaged_models.py`, killed conversions in `test_interruption.py`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from conftest import ASSETS, edge_deploy, skip_or_fail
from edge_deploy_converters.frontend import FrontEnd
from edge_deploy_converters.source import find_source
from edge_deploy_runner.errors import BadInputError
from PIL import Image
from small_models_photo import (
    Builder,
    color_classifier,
    rank_two_model,
    two_input_model,
    write_photo,
)

from edge_deploy.cli import run

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's files and processes")
PHOTOS = ASSETS / "photos"
FLOATS = np.zeros((9, 16, 24, 3), np.float32)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with a good model, a bare one and a photo."""
    (tmp_path / "m.tflite").write_bytes(color_classifier())
    (tmp_path / "bare.tflite").write_bytes(color_classifier(contract=False))
    write_photo(tmp_path, "red")
    return tmp_path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that must fail with `code`; the one sentence it says."""

    def run_line(code: int, *line: str | Path) -> str:
        capsys.readouterr()  # what went before is not this line's
        found = run([str(part) for part in line])
        output, words = capsys.readouterr()
        said = [text for text in words.splitlines() if not text.endswith(" ...")]
        errors = [text for text in said if not text.startswith("Warning: ")]
        assert found == code, words
        assert output == "", output
        assert len(errors) == 1, words
        assert errors[0].startswith("Error: ")
        assert len(errors[0]) < 1200
        return errors[0]

    return run_line


def converted(folder: Path) -> list[str]:
    """What lies in the output folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# Files that are no model, and the commands that are given one -----------------------------------


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "a")
    return stream.getvalue()


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    return stream.getvalue()


NO_MODELS = {
    "empty": b"",
    "text": b"hello\n" * 50,
    "random": np.random.default_rng(1).bytes(999),
    "zip": _zip(),
    "png": _png(),
    "cut": color_classifier()[:900],
    "mark": b"\x1c\0\0\0TFL3",
}


@pytest.mark.parametrize("kind", list(NO_MODELS))
def test_files_that_are_no_model(house: Path, say: Callable[..., str], kind: str) -> None:
    path = house / f"{kind}.tflite"
    path.write_bytes(NO_MODELS[kind])
    for line in (
        ["inspect", path],
        ["run", path, house / "red.png"],
        ["evaluate", path, "--data", house],
        ["profile", path],
        ["diff", path, path],
        ["convert", path, "-o", house / "out"],
    ):
        assert path.name in say(3, *line)
    assert converted(house / "out") == []


@linux
@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "device", "long"])
def test_paths_that_are_no_file(house: Path, say: Callable[..., str], what: str) -> None:
    path = {
        "missing": house / "none.tflite",
        "folder": house,
        "pipe": house / "pipe",
        "device": Path("/dev/zero"),
        "long": house / ("x" * 300 + ".tflite"),
    }[what]
    os.mkfifo(house / "pipe")
    for line in (
        ["inspect", path],
        ["run", path, house / "red.png"],
        ["profile", path],
        ["convert", path, "-o", house / "out"],
    ):
        say(3, *line)
    if what != "folder":
        say(3, "run", house / "m.tflite", path)


REFUSED_MODELS: dict[str, tuple[bytes, str]] = {
    "custom": (small_models.custom_operator_model(), "Mystery"),
    "flex": (small_models.custom_operator_model("FlexErf"), "operators that the TFLite runtime"),
    "int8": (small_models.int8_model(), "quantized already"),
    "float16": (small_models.float16_model(), "float16"),
}


@pytest.mark.parametrize("kind", list(REFUSED_MODELS))
def test_models_that_cannot_be_converted(house: Path, say: Callable[..., str], kind: str) -> None:
    data, words = REFUSED_MODELS[kind]
    (house / "odd.tflite").write_bytes(data)
    assert words in say(3, "convert", house / "odd.tflite", "-o", house / "out", "-r", "float32")
    assert converted(house / "out") == []
    assert run(["inspect", str(house / "odd.tflite"), "--json"]) == 0


def test_inputs_that_photos_cannot_fill(house: Path, say: Callable[..., str]) -> None:
    for name, data, words in (
        ("two", two_input_model(), "2 inputs"),
        ("rank2", rank_two_model(), "[1, 10]"),
        ("open", small_models.dynamic_batch_model(), "[1, 8]"),
    ):
        path = house / f"{name}.tflite"
        path.write_bytes(data)
        assert words in say(3, "run", path, house / "red.png", "--preprocess", "mobilenet")
        assert words in say(
            3,
            "evaluate",
            path,
            "--data",
            ASSETS / "digits_heldout.npz",
            "--preprocess",
            "mobilenet",
        )
        if name != "open":
            photos = ["--calibration", PHOTOS, "--preprocess", "mobilenet", "-r", "int8"]
            assert words in say(3, "convert", path, "-o", house / "out", *photos)
        assert run(["convert", str(path), "-o", str(house / name), "-r", "float32"]) == 0


def test_a_model_of_several_signatures_is_asked_about(house: Path, say: Callable[..., str]) -> None:
    from edge_deploy_converters.flatbuffer_model import pack, text, unpack

    model = unpack(color_classifier(contract=False))
    (first,) = model.signatureDefs
    second = type(first)()
    second.signatureKey, second.subgraphIndex = b"other", 0
    second.inputs, second.outputs = first.inputs, first.outputs
    model.signatureDefs = [first, second]
    assert text(first.signatureKey) == "serving_default"
    path = house / "both.tflite"
    path.write_bytes(pack(model))
    line = ["convert", path, "-o", house / "out", "-r", "float32"]
    assert "has: serving_default, other" in say(3, *line, "--signature", "none")
    assert run([str(part) for part in line]) == 0
    first.signatureKey = b"one"
    path.write_bytes(pack(model))
    assert "--signature" in say(3, *line, "--force")
    assert run([*map(str, line), "--force", "--signature", "other"]) == 0


# What is given beside the model -------------------------------------------------------------------

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


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 99_999, _png()])
def test_measurements(house: Path, say: Callable[..., str], content: bytes) -> None:
    (house / "b.toml").write_text('[limits]\nsize = "5 MB"')
    (house / "m.json").write_bytes(content)
    say(3, "judge", house / "m.json", "--budget", house / "b.toml")
    say(3, "diff", house / "m.json", house / "m.json")


# Where results go ---------------------------------------------------------------------------------


def test_outputs_that_cannot_be(house: Path, say: Callable[..., str]) -> None:
    line = ["convert", house / "m.tflite", "-r", "float32", "-o"]
    (house / "file").write_text("mine")
    assert "is a file" in say(7, *line, house / "file")
    assert "is a file" in say(7, *line, house / "file" / "below")
    say(7, *line, house / ("x" * 300))
    (house / "out" / "m_float32.tflite").mkdir(parents=True)
    assert "is a folder" in say(7, *line, house / "out")
    assert (house / "file").read_text() == "mine"


def test_nothing_is_replaced_without_leave(house: Path, say: Callable[..., str]) -> None:
    out = house / "out"
    out.mkdir()
    (out / "m_float32.json").write_text("mine")
    assert "--force" in say(7, "convert", house / "m.tflite", "-r", "float32", "-o", out)
    assert (out / "m_float32.json").read_text() == "mine"
    assert converted(out) == ["m_float32.json"]


@pytest.fixture
def stranger(house: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line as a user who is not root, with no home."""
    prefix: list[str] = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            skip_or_fail("pipeline", "root needs setpriv to become somebody else")
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for place in (house, *house.parents):  # pytest's folders are the user's own
        if prefix and place.name.startswith(("pytest-", "test_", "popen-")):
            place.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HOME"))}

    def start(*line: str | Path) -> subprocess.CompletedProcess[str]:
        program = [*prefix, sys.executable, "-m", "edge_deploy", *map(str, line)]
        return subprocess.run(
            program, capture_output=True, text=True, check=False,
            env={**environment, "HOME": "/nonexistent"},
        )  # fmt: skip

    if start("--version").returncode != 0:
        skip_or_fail("pipeline", "another user may not read this installation")
    return start


@linux
def test_what_may_not_be_read_or_written(
    house: Path, stranger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    closed, sealed = house / "closed", house / "sealed"
    closed.mkdir(mode=0o555)
    sealed.mkdir()
    shutil.copy(house / "m.tflite", sealed / "m.tflite")
    secret = house / "secret.tflite"
    shutil.copy(house / "m.tflite", secret)
    secret.chmod(0)
    sealed.chmod(0)
    try:
        for code, line in (
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", closed]),
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", closed / "new"]),
            (7, ["convert", house / "m.tflite", "-r", "float32", "-o", sealed / "new"]),
            (3, ["convert", secret, "-r", "float32", "-o", closed]),
            (3, ["convert", sealed / "m.tflite", "-r", "float32", "-o", closed]),
            (3, ["inspect", secret]),
            (3, ["run", sealed / "m.tflite", house / "red.png"]),
            (3, ["run", house / "m.tflite", sealed / "a.png"]),
        ):
            ended = stranger(*line)
            assert ended.returncode == code, (line, ended.stderr)
            assert ended.stderr.startswith("Error: ")
            assert ended.stderr.count("\n") == 1, ended.stderr
    finally:
        sealed.chmod(0o755)
    assert converted(closed) == []


@linux
def test_a_full_disk(house: Path) -> None:
    disk = house / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.call(mount, stderr=subprocess.DEVNULL):
        skip_or_fail("pipeline", "a small disk may not be mounted here")
    try:
        (disk / "mine").write_bytes(bytes(28_672))
        model = Builder()
        x = model.tensor("x", (1, 64))
        weights = model.tensor("w", (64, 64), data=np.random.default_rng(1).normal(0, 1, (64, 64)))
        bias, y = model.tensor("b", (64,), data=np.ones(64)), model.tensor("y", (1, 64))
        model.operator("FULLY_CONNECTED", [x, weights, bias], [y])
        (house / "dense.tflite").write_bytes(model.pack([x], [y]))
        ended = edge_deploy("convert", house / "dense.tflite", "-r", "float32", "-o", disk)
        assert ended.returncode == 7, ended.stderr
        assert "the disk is full" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr
        assert converted(disk) == ["mine"]
        # A full folder for temporary files is another one's trouble: Python takes the next.
        environment = {**os.environ, "TMPDIR": str(disk)}
        ended = edge_deploy("run", house / "m.tflite", house / "red.png", env=environment)
        assert ended.returncode == 0, ended.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Names, streams and surroundings ------------------------------------------------------------------

NAMES = [
    "-dash",
    "with space",
    "quo'te\"s",
    "new\nline",
    "ünï 蓝",
    "%s{}$HOME",
    "[brackets]*",
    "n" * 200,
]


@linux
@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe")])
def test_any_name_will_do(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(house)
    shutil.copy("m.tflite", house / f"{name}.tflite")
    shutil.copy("red.png", house / f"{name}.png")
    source = f"{name}.tflite"
    is_text = name.isprintable() or "\n" in name
    out = f"out {name}"[:200] if is_text else "out"
    assert run(["convert", "-r", "float32", "-o", out, "--json", "--", source]) == 0
    (made,) = json.loads(capsys.readouterr().out)["models"]
    assert Path(made["path"]).is_file()
    if is_text:  # the others can be shown as far as the terminal's encoding goes
        assert run(["run", "--", source, f"{name}.png"]) == 0
        assert run(["inspect", "--", source]) == 0


def test_a_folder_of_hostile_modules_is_not_imported(house: Path) -> None:
    for name in ("numpy", "ai_edge_litert", "edge_deploy_runner", "json", "litert_quantizer"):
        (house / f"{name}.py").write_text("open('canary', 'w')\nraise SystemExit('hostile')\n")
    script = Path(sys.executable).with_name("edge-deploy")
    if not script.exists():
        skip_or_fail("pipeline", "the console script is not installed")
    if sys.version_info < (3, 11):
        pytest.skip("PYTHONSAFEPATH came with Python 3.11")
    code = "from edge_deploy.cli import main; main()"
    for line in (["convert", "m.tflite", "-r", "float32", "-o", "out"], ["inspect", "m.tflite"]):
        program = [sys.executable, "-P", "-c", code, *line]
        ended = subprocess.run(program, capture_output=True, text=True, cwd=house, check=False)
        assert ended.returncode == 0, ended.stderr
    assert not (house / "canary").exists()


@linux
def test_the_surroundings_may_be_poor(house: Path) -> None:
    poor = {"PATH": os.environ["PATH"], "TMPDIR": "/nonexistent"}
    out = house / "out"
    ended = edge_deploy(
        "convert", house / "m.tflite", "-r", "float32", "-o", out, env=poor, cwd="/"
    )
    assert ended.returncode == 0, ended.stderr
    assert converted(out) == ["m_float32.json", "m_float32.tflite"]


@linux
@pytest.mark.parametrize("line", ["inspect m.tflite", "inspect m.tflite --json", "--help"])
def test_a_reader_that_goes_away(house: Path, line: str) -> None:
    program = f"set -o pipefail; '{sys.executable}' -m edge_deploy {line} | head -1"
    ended = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, cwd=house, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@linux
def test_a_reader_that_goes_away_before_it_has_read_all(house: Path) -> None:
    """Not 0 or 1, which would be the word of a gate."""
    program = (
        "import sys; from edge_deploy.cli import main; from edge_deploy.cli.rendering import "
        "table_console; import edge_deploy.cli.devices as d\n"
        "d.command.callback = lambda **_: [{} for _ in range(9999)]\n"
        "sys.argv = ['edge-deploy', 'devices']; main()"
    )
    for line in ("click.echo('x' * 99)", "table_console().print('x' * 99)"):
        shell = f"set -o pipefail; '{sys.executable}' -c \"$PROGRAM\" | head -1"
        ended = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, cwd=house, check=False,
            env={**os.environ, "PROGRAM": "import click\n" + program.replace("{}", line, 1)},
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (141, "")


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


@pytest.mark.parametrize("command", ["profile", "run"])
def test_a_model_inside_a_library(house: Path, say: Callable[..., str], command: str) -> None:
    (house / "m.aar").write_bytes(b"PK\3\4")
    photo = [house / "p.jpg"] if command == "run" else []
    said = say(3, command, house / "m.aar", *photo)
    assert "is an Android library" in said
    assert "the model is inside, in assets/" in said


def test_inspect_names_what_it_takes(house: Path, say: Callable[..., str]) -> None:
    (house / "a.txt").write_text("some words")
    with zipfile.ZipFile(house / "a.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    for name in ("a.txt", "a.zip", "."):
        assert "name a .tflite, .apk, .aab or .aar" in say(3, "inspect", house / name)


# Keras, without TensorFlow: refused before it would be loaded -------------------------------------


class Canary:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def keras_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_json", ".json"), content)
    return path


@pytest.mark.parametrize("name", ["net.pkl", "net.keras", "net.h5", "net.tflite"])
def test_a_pickle_is_never_opened(house: Path, say: Callable[..., str], name: str) -> None:
    (house / name).write_bytes(pickle.dumps(Canary(house / "canary")))
    assert "pickle" in say(3, "convert", house / name, "-o", house / "out")
    assert not (house / "canary").exists()
    pickle.loads((house / name).read_bytes()).close()
    assert (house / "canary").exists()  # it would have sung


KERAS = {
    "lambda": (b'{"config": {"layers": [{"class_name": "Lambda"}]}}', "--trust-source"),
    "foreign": (b'{"class_name": "Net", "module": "os"}', "--trust-source"),
    "cut": (b'{"class_name"', "damaged"),
    "deep": (b"[" * 100_000, "damaged"),
}


@pytest.mark.parametrize("kind", list(KERAS))
def test_keras_files(house: Path, say: Callable[..., str], kind: str) -> None:
    config, words = KERAS[kind]
    path = keras_zip(house / "net.keras", config_json=config)
    assert words in say(3, "convert", path, "-o", house / "out")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "damaged" in say(3, "convert", path, "-o", house / "out")
    import h5py

    with h5py.File(house / "net.h5", "w") as file:
        text = h5py.string_dtype()
        file.attrs.create("model_config", config.decode(), dtype=text)
    assert words in say(3, "convert", house / "net.h5", "-o", house / "out")
    data = (house / "net.h5").read_bytes()
    (house / "net.h5").write_bytes(data[: len(data) // 2])
    assert "damaged" in say(3, "convert", house / "net.h5", "-o", house / "out")
    assert converted(house / "out") == []


# With TensorFlow ----------------------------------------------------------------------------------


def _edited(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.xdist_group("tensorflow")
def test_sources_with_damaged_parts(sources: Path, tmp_path: Path) -> None:
    good = sources / "rank2.keras"
    no_weights = _edited(good, tmp_path / "a.keras", lambda n, d: None if n.endswith(".h5") else d)
    half = _edited(
        good, tmp_path / "b.keras", lambda n, d: d[: len(d) // 2] if n.endswith(".h5") else d
    )
    shutil.copytree(sources / "plain_saved_model", tmp_path / "no_variables")
    shutil.rmtree(tmp_path / "no_variables" / "variables")
    (tmp_path / "cut.pb").write_bytes((sources / "frozen.pb").read_bytes()[:5000])
    for path in (no_weights, half, tmp_path / "no_variables", tmp_path / "cut.pb"):
        with FrontEnd(find_source(str(path))) as front_end, pytest.raises(BadInputError) as caught:
            front_end.wait_loaded()
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


@pytest.mark.xdist_group("tensorflow")
def test_an_input_of_terabytes(sources: Path, tmp_path: Path) -> None:
    ended = edge_deploy(
        "convert", sources / "open_size.keras", "-o", tmp_path / "out", "--input-shape",
        "1,100000,100000,3",
    )  # fmt: skip
    assert ended.returncode == 3
    assert "120 GB" in ended.stderr.splitlines()[-1]
    assert converted(tmp_path / "out") == []
