"""A real board: `EDGE_DEPLOY_PI=ssh://pi@raspberrypi.local make test`, or this file alone.

Nothing is installed on it but what the tests put into `~/.cache/edge-deploy` and a folder of their
own, which they remove.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import edge_deploy

from edge_deploy.remote.ssh import SshDevice, parse_target

from .answers import answer

TARGET = os.environ.get("EDGE_DEPLOY_PI", "")

pytestmark = pytest.mark.skipif(
    not TARGET, reason="EDGE_DEPLOY_PI names no board, as in ssh://pi@raspberrypi.local"
)


@pytest.fixture(scope="module")
def board() -> Iterator[SshDevice]:
    """The board, for what the tests look up themselves."""
    with SshDevice(parse_target(TARGET)) as device:
        yield device


def test_the_board_is_recognised_and_measured(int8: Path) -> None:
    found = answer("profile", int8, "--device", TARGET, "--runs", "300", "--sustained", "10")
    assert found["evidence"] == "measured"
    assert found["device"]["id"].startswith("raspberry-pi-")
    assert found["device"]["target"] == parse_target(TARGET).url
    assert found["device"]["emulated"] is False
    assert found["latency_ms"]["p50"] > 0
    assert found["latency_ms"]["p99"] is not None
    assert found["telemetry"]["after"]["temperatures_celsius"]
    assert found["telemetry"]["after"]["throttled"] is not None
    assert found["delegate"]["used"] == "XNNPACK"
    assert all(entry["ms"] is not None for entry in found["operators"])
    assert found["energy"]["evidence"] in ("predicted", "measured")
    assert 5 <= len(found["sustained"]["windows"]) <= 12
    assert all(w["temperature_celsius"] for w in found["sustained"]["windows"])


def test_a_budget_for_the_board_is_judged(int8: Path, tmp_path: Path) -> None:
    where = answer("profile", int8, "--device", TARGET, "--no-operators")["device"]["id"]
    budget = tmp_path / "budget.toml"
    for limit, code in (("10 s", 0), ("1 ns", 1)):
        budget.write_text(f'device = "{where}"\n[limits]\nlatency_p50 = "{limit}"\n')
        found = answer(
            "profile", int8, "--device", TARGET, "--no-operators", "--budget", budget, code=code
        )
        assert found["verdict"]["status"] == ("pass" if code == 0 else "fail")


def test_doctor_looks_at_the_board() -> None:
    done = edge_deploy("doctor", "--device", TARGET, "--json")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["device"]["findings"]


def test_a_bundle_is_installed_and_rolled_back(
    board: SshDevice, digits_models: Path, tmp_path: Path
) -> None:
    target = _bundle_target(board)
    home = board.shell("echo $HOME").stdout.decode().strip()
    prefix = f"{home}/.cache/edge-deploy/hardware-test"
    options = ["--device", TARGET, "--prefix", prefix, "--no-service"]
    bundles = []
    for recipe in ("int8", "float32"):
        bundles.append(tmp_path / f"{recipe}.tar.gz")
        model = digits_models / f"digits_mobilenet_v2_{recipe}.tflite"
        answer("bundle", model, "--target", target, "--name", "digits", "-o", bundles[-1])
    try:
        seen = []
        for path in bundles:
            answer("install", path, *options)
            seen.append(_current(board, prefix))
        assert len(set(seen)) == 2
        answer("install", bundles[1], *options, "--rollback")
        assert _current(board, prefix) == seen[0]
    finally:
        board.run(["rm", "-rf", "--", prefix])


def _bundle_target(board: SshDevice) -> str:
    release = board.shell(". /etc/os-release && echo $VERSION_CODENAME").stdout.decode().strip()
    bits = board.run(["getconf", "LONG_BIT"]).stdout.decode().strip()
    return f"rpi-{release}" + ("-armv7" if bits == "32" else "")


def _current(board: SshDevice, prefix: str) -> str:
    found = board.run(["readlink", f"{prefix}/digits/current"])
    assert found.returncode == 0, found.stderr
    return found.stdout.decode().strip()
