"""`profile --device ssh://...` end to end, against a real sshd on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import small_models
from conftest import edge_deploy, skip_or_fail
from edge_deploy_runner.bench.measuring import MeterChoice, Request, measure
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.bench.protocol import answer_json, read_answer, read_request, request_json
from edge_deploy_runner.bench.record_reading import measurement_from_json
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.version import package_digest
from sshd import Sshd, running_sshd, sshd_server  # noqa: F401 - a fixture

from edge_deploy.bundles.wheels import WheelPlatform, pinned_wheels
from edge_deploy.profiling import profile
from edge_deploy.remote.runner import KEPT_RUNNERS, RemoteRunner
from edge_deploy.remote.ssh import SshDevice, parse_target

SHORT = RunSpec(min_runs=30, min_seconds=0.05, warm_up_seconds=0.01)
FAST = ["--runs", "30", "--seconds", "0.05"]
NAME = 'a "small" one\'s $(model).tflite'


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(small_models.float_model())
    return path


def cache(server: Sshd) -> Path:
    return server.home / ".cache" / "edge-deploy"


def runner_folder(server: Sshd) -> Path:
    return cache(server) / f"runner-{package_digest()[:16]}"


def test_a_model_is_measured_there(server: Sshd, model: Path) -> None:
    stages: list[str] = []
    found = profile(
        model, device=server.url, spec=replace(SHORT, sustained_seconds=0.5),
        on_progress=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip
    assert found.model.name == NAME
    assert found.device["target"] == server.url
    assert found.runtime["origin"] == "device"
    assert len(found.latencies_ns) >= 30
    assert found.load_ms > 0
    assert found.peak_memory_bytes is not None
    assert [entry.kind for entry in found.operators] == [*["CONV_2D"] * 3, "MEAN", "SOFTMAX"]
    assert all(entry.ms is not None and entry.ms > 0 for entry in found.operators)
    assert found.sustained is not None
    assert {"pushing the runner", "timing inferences", "timing operators"} <= set(stages)
    assert measurement_from_json(json.loads(json.dumps(found.to_json()))) == found
    local = profile(model, spec=replace(SHORT, sustained_seconds=0.5))
    assert set(local.to_json()) == set(found.to_json())
    assert local.device["cpu_model"] == found.device["cpu_model"]
    assert local.device["id"] in ("local", found.device["id"])


def test_the_second_time_nothing_is_pushed(server: Sshd, model: Path) -> None:
    profile(model, device=server.url, spec=SHORT)
    files = {path: path.stat().st_ino for path in cache(server).rglob("*") if path.suffix != ".pyc"}
    stages: list[str] = []
    profile(model, device=server.url, spec=SHORT, on_progress=lambda s, d, t: stages.append(s))
    assert "pushing the runner" not in stages
    again = {path: path.stat().st_ino for path in cache(server).rglob("*") if path.suffix != ".pyc"}
    assert again == files


def test_a_budget_for_the_device_is_judged(server: Sshd, model: Path, tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    out = tmp_path / "m.json"
    for device, code in ((server.url, 0), ("raspberry-pi-4b", 1)):
        budget.write_text(f'device = "{device}"\n[limits]\nlatency_p50 = "1 h"\nslowdown = 99\n')
        done = edge_deploy(
            "profile", model, *FAST, "--device", server.url, "--budget", budget, "-o", out,
            "--sustained", "1", "--no-operators", "--force", env=server.client_environment(),
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert "the budget is for raspberry-pi-4b" in done.stdout
    assert "sustained p50" in done.stdout
    assert json.loads(out.read_text())["device"]["id"] != "local"


def test_what_is_damaged_or_old_there_is_mended(server: Sshd, model: Path) -> None:
    profile(model, device=server.url, spec=SHORT)
    runner = runner_folder(server)
    (runner / "edge_deploy_runner" / "bench.py").write_text("raise SystemExit('old')\n")
    (runner / "edge_deploy_runner" / "extra.py").write_text("")
    for number in range(6):
        (cache(server) / f"runner-{number:016x}").mkdir()
        os.utime(cache(server) / f"runner-{number:016x}", (number, number))
    (cache(server) / "runner-aaaa.new-left").mkdir()
    os.utime(cache(server) / "runner-aaaa.new-left", (1, 1))
    assert len(profile(model, device=server.url, spec=SHORT).latencies_ns) >= 30
    assert not (runner / "edge_deploy_runner" / "extra.py").exists()
    left = sorted(path.name for path in cache(server).glob("runner-*"))
    assert len(left) == KEPT_RUNNERS + 1
    assert runner.name in left
    assert "runner-0000000000000005" in left
    assert "runner-0000000000000000" not in left


def test_two_computers_at_once(server: Sshd, model: Path) -> None:
    command = [
        sys.executable, "-m", "edge_deploy", "profile", str(model), *FAST, "--device", server.url,
        "--no-operators", "--json",
    ]  # fmt: skip
    children = [
        subprocess.Popen(
            command, env=server.client_environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for child in children:
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        assert json.loads(out)["runtime"]["origin"] == "device"
    assert [path.name for path in cache(server).glob("runner-*")] == [runner_folder(server).name]


def test_a_users_module_at_home_is_not_imported(server: Sshd, model: Path) -> None:
    (server.home / "numpy.py").write_text("raise ImportError('not this one')\n")
    (server.home / "edge_deploy_runner.py").write_text("raise ImportError('not this one')\n")
    assert profile(model, device=server.url, spec=SHORT).runtime["origin"] == "device"


def test_shells_that_talk_do_not_disturb(server: Sshd, model: Path) -> None:
    (server.home / ".bashrc").write_text("echo '{\"hello\": 1}'; echo warning >&2\n")
    assert len(profile(model, device=server.url, spec=SHORT).latencies_ns) >= 30


def test_a_device_without_a_runtime_gets_ours(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    machine = os.uname().machine
    platforms = {wheel.platform for wheel in pinned_wheels()}
    if WheelPlatform(sys.version_info[:2], machine) not in platforms:
        skip_or_fail("network", f"there are no wheels for Python {version} on {machine}")
    environment = {"PATH": f"{bare / 'bin'}:/usr/bin:/bin"}
    with running_sshd(tmp_path / "s", environment=environment) as server:
        monkeypatch.setenv("PATH", server.client_environment()["PATH"])
        try:
            found = profile(model, device=server.url, operators=False, spec=SHORT)
        except BadInputError as error:
            skip_or_fail("network", str(error))
        assert found.runtime["origin"] == "pushed"
        assert "ai-edge-litert" in found.runtime["packages"]
        sites = list(cache(server).glob("site-*"))
        assert len(sites) == 1
        assert sites[0].is_dir()
        inode = sites[0].stat().st_ino
        again = profile(model, device=server.url, operators=False, spec=SHORT)
        assert again.runtime == found.runtime
        assert sites[0].stat().st_ino == inode
        # A file that a power cut left empty: the runtime is brought there again.
        libraries = list(sites[0].rglob("_multiarray_umath*.so"))
        assert libraries
        for library in libraries:
            library.write_bytes(b"")
        mended = profile(model, device=server.url, operators=False, spec=SHORT)
        assert mended.runtime == found.runtime
        assert list(cache(server).glob("site-*")) == sites


@pytest.mark.parametrize(
    ("script", "named"),
    [
        (None, "has no python3"),
        ("echo 'error while loading shared libraries' >&2; exit 127", "python3"),
        ("echo 'Illegal instruction' >&2; exit 132", "Illegal instruction"),
        ("echo '{\"broken\": '; exit 0", "does not work"),
    ],
)
def test_a_python_that_does_not_work(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, named: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "sed"):
        (folder / name).symlink_to(f"/bin/{name}")
    if script is not None:
        (folder / "python3").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "python3").chmod(0o755)
    with running_sshd(tmp_path / "s", environment={"PATH": str(folder)}) as server:
        monkeypatch.setenv("PATH", server.client_environment()["PATH"])
        with pytest.raises(DeviceError, match=named):
            profile(model, device=server.url, spec=SHORT)


def test_errors_of_the_runner_come_back_by_name(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(small_models.undelegated_model())
    with pytest.raises(DeviceError, match="--delegate none"):
        profile(path, device=server.url, delegate="xnnpack", spec=SHORT)
    path.write_bytes(small_models.custom_operator_model())
    with pytest.raises(BadInputError, match=r"m\.tflite"):
        profile(path, device=server.url, spec=SHORT)
    path.write_bytes(b"\x89PNG")
    with pytest.raises(BadInputError, match=r"m\.tflite"):
        profile(path, device=server.url, spec=SHORT)
    path.write_bytes(small_models.float_model())
    with pytest.raises(DeviceError, match="vcgencmd"):
        profile(path, device=server.url, meter=MeterChoice("pmic"), spec=SHORT)


def test_another_runner_is_not_believed(server: Sshd, model: Path) -> None:
    with SshDevice(parse_target(server.url)) as device:
        runner = RemoteRunner(device)
        runner.prepare()
        init = runner_folder(server) / "edge_deploy_runner" / "errors.py"
        init.write_text(init.read_text() + "\n# changed meanwhile\n")
        with pytest.raises(DeviceError, match="another runner"):
            runner.bench(Request(model, SHORT), ())


def test_a_full_disk_there(server: Sshd, model: Path) -> None:
    (server.home / ".bashrc").write_text("ulimit -f 4\n")
    with pytest.raises(DeviceError, match=r"disk of .* is full"):
        profile(model, device=server.url, spec=SHORT)


# Nothing runs on there when we are gone.


def processes_of(server: Sshd) -> list[psutil.Process]:
    """Processes that work on the device: those whose folder is in its cache."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(cache(server)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def runs_a_model(server: Sshd) -> bool:
    """Whether the process that only runs the model is there: pushing has its processes too."""
    for process in processes_of(server):
        try:
            if "edge_deploy_runner.bench.child" in process.cmdline():
                return True
        except psutil.Error:
            continue
    return False


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    pytest.fail(what)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for it")
@pytest.mark.parametrize("how", ["interrupt", "kill", "cut"])
def test_it_ends_with_us(server: Sshd, model: Path, how: str) -> None:
    command = [
        sys.executable, "-m", "edge_deploy", "profile", str(model), *FAST, "--device", server.url,
        "--sustained", "300",
    ]  # fmt: skip
    child = subprocess.Popen(
        command, env=server.client_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(lambda: runs_a_model(server), "the run did not begin there")
        if how == "interrupt":
            os.killpg(child.pid, signal.SIGINT)
        elif how == "kill":
            child.kill()
        else:
            server.cut()
        _, err = child.communicate(timeout=120)
    finally:
        child.kill()
        child.wait()
    wait_for(lambda: not processes_of(server), "it runs on there")
    wait_for(lambda: not server.connections(), "the connection stays open")
    assert "Traceback" not in err
    if how == "interrupt":
        assert child.returncode == 130
    elif how == "cut":
        assert child.returncode == 5
        assert "was lost while running bench" in err


# The request and the answer.


def test_requests_and_answers_travel(model: Path) -> None:
    request = Request(
        model, replace(SHORT, threads=1), "sweep", "m", 2, "a note", True,
        MeterChoice("ina219", 0x41, 0.01),
    )  # fmt: skip
    assert read_request(json.dumps(request_json(request)).encode()) == request
    operator = OperatorModel("a", "CONV_2D", b"\0model", None, "")
    assert OperatorModel.from_json(json.loads(json.dumps(operator.to_json()))) == operator
    measured = measure(Request(model, SHORT, 1))
    document = json.loads(json.dumps(answer_json(measured)))
    assert read_answer(document, "here") == measured
    document["runner"]["digest"] = "0" * 64
    with pytest.raises(DeviceError, match="another runner"):
        read_answer(document, "here")


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"{}", b'{"model": 5, "spec": {}}', b'{"model": "m", "spec": {"x": 1}}',
     b'{"model": "m", "spec": {}, "threads": -1}', b'{"model": "m", "spec": {}, "threads": "x"}'],
)  # fmt: skip
def test_requests_that_make_no_sense(line: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_deploy_runner", "bench", "--request", "-"],
        input=line, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1


def test_bench_on_the_board_itself(model: Path) -> None:
    command = [sys.executable, "-m", "edge_deploy_runner", "bench", str(model), *FAST]
    shown = subprocess.run(
        [*command, "--sustained", "0.3"], capture_output=True, text=True, check=True
    )
    for word in ("p50", "first inference", "sustained", NAME):
        assert word in shown.stdout
    printed = subprocess.run(
        [*command, "--json", "--threads", "sweep"], capture_output=True, text=True, check=True
    )
    document = json.loads(printed.stdout)
    assert document["runner"]["digest"] == package_digest()
    assert measurement_from_json(document).sweep
    # Without click, rich or anything else that a board need not have.
    code = (
        "import sys\nfrom edge_deploy_runner.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "print([n for n in ('click', 'rich', 'platformdirs') if n in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", str(model), *FAST],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ([], 2, "needs a model"),
        (["/nonexistent.tflite"], 3, "nonexistent"),
        (["MODEL", "--threads", "0"], 2, "sweep"),
        (["MODEL", "--delegate", "gpu"], 2, "auto, xnnpack, none"),
        (["MODEL", "--request", "-"], 2, "leave MODEL out"),
        (["--request", "file"], 2, "write -"),
        (["MODEL", "--meter", "ina219@x"], 2, "KIND@ADDRESS,OHMS"),
        (["MODEL", "--runs", "many"], 2, "runs"),
    ],
)
def test_what_bench_refuses(model: Path, arguments: list[str], code: int, named: str) -> None:
    given = [str(model) if word == "MODEL" else word for word in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "edge_deploy_runner", "bench", *given],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert named in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
