"""`edge-deploy install` on a small arm64 machine with no network: what works, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import edge_deploy

from .device_commands import (
    FOLDER,
    UNIT,
    answer,
    current,
    error_sentence,
    installed,
    on,
    start_install,
    unit_value,
)
from .machine import Machine

pytestmark = pytest.mark.xdist_group("machine")

ONE_STEP = 1 / 256  # of the model's output, an integer


def rewritten(bundle: Path, out: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A bundle with other files, and a manifest that agrees with them."""
    with tarfile.open(bundle) as archive:
        members = archive.getmembers()
        top = members[0].name.split("/")[0]
        files = {
            member.name.removeprefix(f"{top}/"): archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in members
            if member.isreg()
        }
    change(files)
    manifest = json.loads(files["manifest.json"])
    for name, record in manifest["files"].items():
        record["sha256"] = hashlib.sha256(files[name]).hexdigest()
        record["size_bytes"] = len(files[name])
    manifest["id"] = "badbadbadbad"
    files["manifest.json"] = json.dumps(manifest).encode()
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    files["manifest.sha256"] = f"{digest}  manifest.json\n".encode()
    with (
        gzip.open(out, "wb", compresslevel=1) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as made,
    ):
        for member in members:
            if member.isreg():
                data = files[member.name.removeprefix(f"{top}/")]
                member.size = len(data)
                made.addfile(member, io.BytesIO(data))
    return out


def test_an_installed_bundle_answers_as_this_computer_does(
    installed_pi: Machine, first_install: dict[str, Any], digits_models: Path, photo: Path
) -> None:
    assert first_install["action"] == "installed"
    assert first_install["service"]["state"] == "active"
    checks = first_install["selftest"]["checks"]
    assert checks
    assert all(check["passed"] for check in checks)
    assert current(installed_pi) == first_install["version"]
    # Nothing of the bundle is left beside what it was installed to.
    assert installed_pi.text("find /home/pi/.cache/edge-deploy -name '*.tar.gz*'") == ""

    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    here = json.loads(edge_deploy("run", model, photo, "--json").stdout)["top"]
    installed_pi.run("cat > /tmp/digit.png", stdin=photo.read_bytes(), user="pi")
    runner = f"{FOLDER}/current/bin/edge-deploy-runner"
    command = f"{runner} run {FOLDER}/current/model/digits.tflite /tmp/digit.png --json"
    there = json.loads(installed_pi.text(command, user="pi"))["top"]
    served = answer(installed_pi, photo, "digit.png")["top"]
    assert [entry["label"] for entry in there] == [entry["label"] for entry in here]
    for ours, theirs in zip(here, there, strict=True):
        assert theirs["score"] == pytest.approx(ours["score"], abs=ONE_STEP + 1e-6)
    assert served[0]["label"] == there[0]["label"]
    assert served[0]["score"] == pytest.approx(there[0]["score"], abs=1e-6)


def test_a_second_version_takes_over_and_rolls_back(
    installed_pi: Machine, first_install: dict[str, Any], bundles: dict[str, Path]
) -> None:
    second = installed(on(installed_pi, "install", bundles["second"], "--json"))
    assert second["service"]["state"] == "active"
    assert second["previous"] == first_install["version"]
    assert current(installed_pi) == second["version"] != first_install["version"]
    served = 'grep -o \'"sha256": "[0-9a-f]*\' /var/lib/edge-deploy/digits/status.json'
    model_of_second = installed_pi.text(served)

    back = installed(on(installed_pi, "install", bundles["second"], "--rollback", "--json"))
    assert back["action"] == "rolled back"
    assert back["service"]["state"] == "active"
    assert current(installed_pi) == first_install["version"]
    assert installed_pi.text(served) != model_of_second


def test_a_bundle_that_fails_its_self_test_leaves_the_old_version_running(
    installed_pi: Machine, bundles: dict[str, Path], tmp_path: Path
) -> None:
    with tarfile.open(bundles["second"]) as archive:
        names = archive.getnames()
    other_model = next(name for name in names if name.endswith(".tflite")).split("/", 1)[1]

    def swap_model(files: dict[str, bytes]) -> None:
        """Another model than the one whose answers are golden; both are whole."""
        with tarfile.open(bundles["first"]) as archive:
            (member,) = [found for found in archive if found.name.endswith(other_model)]
            files[other_model] = archive.extractfile(member).read()  # type: ignore[union-attr]

    bad = rewritten(bundles["second"], tmp_path / "bad.tar.gz", swap_model)
    before = (current(installed_pi), unit_value(installed_pi, "MainPID"))
    done = on(installed_pi, "install", bad)
    assert done.returncode == 6, done.stderr
    assert "self-test" in error_sentence(done)
    assert (current(installed_pi), unit_value(installed_pi, "MainPID")) == before
    assert installed_pi.text(f"systemctl is-active {UNIT}") == "active"
    assert installed_pi.text(f"ls -A {FOLDER}/versions") == before[0]


def test_a_full_disk_leaves_the_old_version_running(
    installed_pi: Machine, bundles: dict[str, Path]
) -> None:
    # Room for the bundle, and for a part of what it unpacks to.
    installed_pi.run("fallocate -l $(($(df --output=avail -B1 / | tail -1) - 60000000)) /filler")
    before = (current(installed_pi), unit_value(installed_pi, "MainPID"))
    done = on(installed_pi, "install", bundles["second"])
    assert done.returncode in (5, 7), done.stderr
    assert "full" in error_sentence(done) or "free" in error_sentence(done)
    assert (current(installed_pi), unit_value(installed_pi, "MainPID")) == before
    assert installed_pi.text(f"ls -A {FOLDER}/versions") == before[0]


def test_a_bundle_for_another_machine_is_refused(pi: Machine, bundles: dict[str, Path]) -> None:
    done = on(pi, "install", bundles["armv7"])
    assert done.returncode == 5, done.stderr
    sentence = error_sentence(done)
    assert "aarch64" in sentence
    assert "armv7l" in sentence
    assert pi.text("ls -A /opt/edge-deploy 2>/dev/null || true") == ""


def test_a_clock_in_1970_is_no_obstacle(pi: Machine, bundles: dict[str, Path], photo: Path) -> None:
    pi.run("date -s @3600")  # the kernel takes no time before it was started
    done = installed(on(pi, "install", bundles["first"], "--json"))
    assert done["service"]["state"] == "active"
    assert pi.text("date -u +%Y") == "1970"
    assert answer(pi, photo, "digit.png")["top"][0]["label"] == "9"


def test_a_broken_connection_costs_only_what_was_missing(
    pi: Machine, bundles: dict[str, Path]
) -> None:
    size = bundles["first"].stat().st_size
    enough = size // 3
    part = "/home/pi/.cache/edge-deploy/bundles/*.partial"
    pushing = start_install(pi, bundles["first"])
    # The far end of the connection dies, as where a cable is pulled or a router restarts.
    pi.run(
        f"until test $(stat -c %s {part} 2>/dev/null || echo 0) -gt {enough}; do :; done; "
        "pkill -KILL -u pi sshd"
    )
    _, said = pushing.communicate(timeout=120)
    assert pushing.returncode == 5, said
    assert "Traceback" not in said
    assert "connection" in said

    there = int(pi.text(f"stat -c %s {part}"))
    received = "cat /sys/class/net/eth0/statistics/rx_bytes"
    before = int(pi.text(received))
    arguments = ("--no-service", "--prefix", "/home/pi/here", "--json")
    done = installed(on(pi, "install", bundles["first"], *arguments))
    assert done["action"] == "installed"
    again = int(pi.text(received)) - before
    assert there > enough
    # What was missing, and what the packets and the installer take.
    assert again < (size - there) * 1.15 + 2e6
