"""`devices calibrate` from the command line: on this machine, over ssh, and from a table."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import edge_deploy
from known_devices import latency, write_device
from shape_coefficients import SHAPE_COEFFICIENTS
from small_models import float_model
from sshd import Sshd, running_sshd, sshd_server  # noqa: F401 - a fixture

from edge_deploy.catalogue import device_profile

Say = Callable[..., str]
TABLE = """model,dtype,device,threads,latency_ms,runtime
Mobilenet_V1_1.0_224,float32,My Phone,4,40,TFLite 2.17
Mobilenet_V2_1.0_224,float32,My Phone,4,30,TFLite 2.17
Inception_V3,float32,My Phone,4,290,TFLite 2.17
"""


@pytest.fixture(autouse=True)
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "devices"
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(folder))
    return folder


@pytest.fixture
def sibling(devices: Path) -> str:
    """A device whose coefficients are made up, in terms of shapes."""
    models = [
        latency(threads=1, dtype=dtype, coefficients=found)
        for dtype, found in SHAPE_COEFFICIENTS.items()
    ]
    write_device(devices, models, "made-up-board")
    return "made-up-board"


def test_this_machine_and_a_prediction_for_it(devices: Path, sibling: str, tmp_path: Path) -> None:
    done = edge_deploy(
        "devices", "calibrate", "--device", "local", "--id", "mine", "--quick", "--like", sibling,
        "--threads", "1", "--rounds", "1", "--json", "--force",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["id"] == "mine"
    assert [one["dtype"] for one in document["models"]] == ["float32", "int8"]
    assert all(one["standing"] == "measured" for one in document["models"])
    assert all(one["like"] == sibling for one in document["models"])
    assert sorted(path.name for path in devices.iterdir()) == [
        f"{sibling}.toml", "mine.calibration.json", "mine.toml",
    ]  # fmt: skip
    profile = device_profile("mine")
    assert profile.like == sibling
    assert len(profile.latency) == 2
    model = tmp_path / "m.tflite"
    model.write_bytes(float_model(size=64, layers=4))
    predicted = edge_deploy("profile", model, "--device", "mine", "--json")
    assert predicted.returncode == 0, predicted.stderr
    assert json.loads(predicted.stdout)["evidence"] == "predicted"
    shown = edge_deploy("devices", "show", "mine")
    assert "measured" in shown.stdout


def test_over_ssh_and_nothing_is_left_there(server: Sshd, devices: Path, sibling: str) -> None:
    done = edge_deploy(
        "devices", "calibrate", "--device", server.url, "--id", "there", "--quick", "--like",
        sibling, "--threads", "1", "--rounds", "1", "--dtypes", "int8", "--force",
        env={**server.client_environment(), "EDGE_DEPLOY_DEVICES": str(devices)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "edge-deploy profile MODEL --device there" in done.stderr
    assert "round 1 of 1 on 1 thread" in done.stderr.lower()
    assert (devices / "there.toml").is_file()
    assert not list((server.home / ".cache" / "edge-deploy").rglob("*.tflite"))


def test_stopped_it_leaves_nothing(devices: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_deploy", "devices", "calibrate", "--device", "local",
         "--id", "mine", "--threads", "1"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("Round 1"):
            break
    else:
        pytest.fail("it ended before the first round")
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=120) == 130
    assert not [path for path in devices.rglob("*") if path.is_file()]


def test_a_table(devices: Path, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(TABLE)
    done = edge_deploy("devices", "calibrate", "--table", table, "--id", "my-phone", "--json")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert (model["points"], model["standing"]) == (3, "read")
    assert device_profile("my-phone").latency[0].source == "mine.csv"


@pytest.mark.parametrize("runtimes", [1, 2])
def test_the_runtime_is_a_column_only_where_it_tells_rows_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtimes: int
) -> None:
    table = tmp_path / "mine.csv"
    rows = TABLE.splitlines()
    newer = [row.replace("2.17", "2.18") for row in rows[1:]] if runtimes == 2 else []
    table.write_text("\n".join([*rows, *newer]) + "\n")
    monkeypatch.setenv("COLUMNS", "80")
    done = edge_deploy("devices", "calibrate", "--table", table, "--id", "my-phone")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    titled = lines[0].strip() == "my-phone: fitted to a table of times with TFLite 2.17"
    assert titled == (runtimes == 1)
    assert ("runtime" in lines[2]) == (runtimes == 2)
    cells = [line.split() for line in lines if line.strip().startswith("float32")]
    assert len(cells) == runtimes  # none is folded into a second line
    assert max(map(len, lines)) <= 80


def test_a_file_elsewhere_says_where_it_belongs(devices: Path, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(TABLE)
    output = tmp_path / "new" / "my-phone.toml"
    done = edge_deploy(
        "devices", "calibrate", "--table", table, "--id", "my-phone", "-o", output
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert output.is_file()
    assert f"put it into {devices}, then: edge-deploy profile" in done.stderr
    assert "TFLite 2.17" in done.stdout
    assert not devices.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give --device"),
        (("--device", "local", "--table", "t.csv"), 2, "not both"),
        (("--device", "local", "--features", "f.csv"), 2, "--features belongs to --table"),
        (("--table", "t.csv", "--id", "x", "--quick"), 2, "leave --quick out"),
        (("--table", "t.csv", "--id", "x", "--threads", "1"), 2, "leave --threads out"),
        (("--table", "t.csv", "--id", "x", "--rounds", "0"), 2, "leave --rounds out"),
        (("--table", "t.csv", "--id", "x", "--dtypes", "int8"), 2, "leave --dtypes out"),
        (("--table", "t.csv"), 2, "--table needs --id"),
        (("--table", "none.csv", "--id", "x"), 3, "cannot read the table none.csv"),
        (("--device", "raspberry-pi-4b"), 2, "is a known device, not one that can be reached"),
        (("--device", "local", "--threads", "0"), 2, "--threads is '0'"),
        (("--device", "local", "--threads", "1,many"), 2, "--threads is '1,many'"),
        (("--device", "local", "--threads", "999"), 2, "threads that share one"),
        (("--device", "local", "--dtypes", "int4"), 2, "--dtypes has 'int4'"),
        (("--device", "local", "--rounds", "0"), 2, "--rounds is 0"),
        (("--device", "local", "--cpus", "big"), 2, "--cpus is for a phone"),
        (("--device", "local", "--wheels", "w"), 2, "--wheels is for a device"),
        (("--device", "local", "--id", "My Board"), 3, "cannot be a device's id"),
        (("--device", "local", "--like", "pixle-4"), 2, "did you mean pixel-4"),
        (("--device", "local", "--id", "new", "--quick"), 2, "--quick starts from a known device"),
        (
            (
                "--device",
                "local",
                "--id",
                "new",
                "--quick",
                "--like",
                "pixel-3",
                "--dtypes",
                "int8,float32",
            ),
            2,
            "for --quick to start from",
        ),
        (("--device", "ssh://nobody@nowhere.invalid", "--id", "x"), 5, "nowhere.invalid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_refusals(say: Say, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in say(code, "devices", "calibrate", *arguments)


def test_a_device_with_a_file_is_not_overwritten(say: Say, devices: Path, sibling: str) -> None:
    before = (devices / f"{sibling}.toml").read_bytes()
    said = say(7, "devices", "calibrate", "--device", "local", "--id", sibling)
    assert "has a file already" in said
    assert "--force" in said
    assert (devices / f"{sibling}.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--device", "local", "--rounds", "0"), "--rounds is 0"),
        (("--device", "local", "--cpus", "big"), "--cpus is for a phone"),
        (("--device", "raspberry-pi-4b"), "not one that can be reached"),
    ],
)
def test_options_are_looked_at_before_files(
    say: Say, sibling: str, arguments: tuple[str, ...], said: str
) -> None:
    assert said in say(2, "devices", "calibrate", *arguments, "--id", sibling)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it may be one")
def test_a_computer_is_no_raspberry_pi(say: Say, devices: Path) -> None:
    said = say(2, "devices", "calibrate", "--device", "local", "--id", "raspberry-pi-4b")
    assert "a machine with x86_64 cores" in said
    assert "--like raspberry-pi-4b" in said
    assert not list(devices.glob("*"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no such folder here")
def test_a_folder_in_which_nobody_may_write(say: Say) -> None:
    said = say(7, "devices", "calibrate", "--device", "local", "-o", "/proc/mine.toml")
    assert "cannot write to /proc" in said


def test_an_output_that_is_a_folder(say: Say, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    said = say(7, "devices", "calibrate", "--device", "local", "-o", tmp_path / "mine.toml")
    assert "is a folder" in said
