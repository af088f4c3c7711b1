"""`bundle` for Android apps as a command: what it says, its exit codes, and a trained model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import edge_deploy
from small_detectors import write_detector
from small_models_photo import COLOR_LABELS, color_classifier, write_model

from edge_deploy.bundles.bundling import bundle

TARGETS = ("android-aar", "android-module")


def error_of(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return line


def test_an_aar_by_the_command(tmp_path: Path) -> None:
    done = edge_deploy("bundle", write_model(tmp_path), "--target", "android-aar", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dev.edgedeploy.colors" in done.stdout
    assert "com.google.ai.edge.litert:litert:1.4.0" in done.stdout
    assert 'implementation(files("libs/colors.aar"))' in done.stderr
    assert "nor another model's package" in done.stderr
    assert zipfile.is_zipfile(tmp_path / "colors.aar")


def test_a_name_with_a_space_can_be_pasted(tmp_path: Path) -> None:
    place = tmp_path / "my apps"
    place.mkdir()
    done = edge_deploy("bundle", write_model(tmp_path), "--target", "android-aar", "-o", place)
    assert f"unzip -p '{place}/colors.aar' README.md" in done.stderr


def test_a_module_with_changes_stays(tmp_path: Path) -> None:
    to = ["bundle", write_model(tmp_path), "--target", "android-module", "-o", tmp_path / "flowers"]
    assert edge_deploy(*to).returncode == 0
    (tmp_path / "flowers" / "MyNotes.txt").touch()
    said = error_of(edge_deploy(*to, "--force"), 7)
    assert "holds changes of yours (MyNotes.txt); move them away" in said
    assert (tmp_path / "flowers" / "MyNotes.txt").exists()


def test_targets_are_completed() -> None:
    words = {"COMP_WORDS": "edge-deploy bundle m.tflite --target android-", "COMP_CWORD": "4"}
    done = edge_deploy(env={**os.environ, "_EDGE_DEPLOY_COMPLETE": "bash_complete", **words})
    assert done.stdout.split() == ["plain,android-aar", "plain,android-module"]


def test_json_is_one_document(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    for target in TARGETS:
        done = edge_deploy(
            "bundle", model, "--target", target, "-o", tmp_path, "--json",
            "--package", "com.example.flowers", "--name", "Flowers-2",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert Path(record["path"]).exists()
        assert record["manifest"]["target"]["package"] == "com.example.flowers"
        assert record["manifest"]["name"] == "Flowers-2"


def test_the_hash_seed_and_the_folder_have_no_say(tmp_path: Path) -> None:
    """Two processes in two places, at two times: the same bytes."""
    made = []
    for number in (1, 2):
        folder = tmp_path / f"place{number}"
        folder.mkdir()
        model = write_model(folder)
        os.utime(model, (number * 10**8, number * 10**8))
        done = edge_deploy(
            "bundle", model, "--target", "android-aar", "-o", "x.aar",
            cwd=folder, env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": f"UTC{number}"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made.append((folder / "x.aar").read_bytes())
    assert made[0] == made[1]


def test_bad_input_has_its_exit_code(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(color_classifier(contract=False))
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(COLOR_LABELS))
    out = tmp_path / "out"
    out.mkdir()
    for target in TARGETS:
        to = ["--target", target, "-o", out]
        said = error_of(edge_deploy("bundle", bare, *to), 3)
        assert "--preprocess" in said
        assert "--labels" in said
        assert "--labels" in error_of(edge_deploy("bundle", bare, *to, "--preprocess", "0-1"), 3)
        said = error_of(edge_deploy("bundle", bare, *to, "--labels", labels), 3)
        assert "--preprocess" in said
        assert "detector" in error_of(edge_deploy("bundle", write_detector(tmp_path), *to), 3)
        said = error_of(edge_deploy("bundle", model, *to, "--package", "com.example.new"), 2)
        assert "word of Java" in said
        error_of(edge_deploy("bundle", model, *to, "--name", "../x"), 2)
        error_of(edge_deploy("bundle", model, *to, "--service", tmp_path / "s.toml"), 2)
        error_of(edge_deploy("bundle", model, *to, "--wheels", tmp_path), 2)
        error_of(edge_deploy("bundle", tmp_path / "none.tflite", *to), 3)
        error_of(edge_deploy("bundle", model, *to, "--verdict", tmp_path / "none.json"), 3)
        assert list(out.iterdir()) == []
    pi = ["--target", "rpi-bookworm", "-o", out]
    assert "--package" in error_of(edge_deploy("bundle", model, *pi, "--package", "a.b"), 2)
    listed = error_of(edge_deploy("bundle", model, "-o", out), 2)
    assert "android-aar, android-module, rpi-bookworm" in listed


def test_what_exists_stays(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    for target, name in (
        ("android-aar", "colors.aar"),
        ("android-module", "colors-android-module"),
    ):
        to = ["--target", target, "-o", tmp_path]
        assert edge_deploy("bundle", model, *to).returncode == 0
        before = (tmp_path / name).stat().st_mtime_ns
        assert "--force" in error_of(edge_deploy("bundle", model, *to), 7)
        assert (tmp_path / name).stat().st_mtime_ns == before
        assert edge_deploy("bundle", model, *to, "--force").returncode == 0


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    locked = tmp_path / "locked"
    locked.mkdir()
    (tmp_path / "file").touch()
    places = [tmp_path / "file" / "inside"]
    if os.geteuid() != 0:  # root may write anywhere
        locked.chmod(0o555)
        places.append(locked / "inside")
    for place in places:
        error_of(edge_deploy("bundle", model, "--target", "android-aar", "-o", f"{place}.aar"), 7)
        error_of(edge_deploy("bundle", model, "--target", "android-module", "-o", place), 7)


def test_outputs_that_no_file_can_have(tmp_path: Path) -> None:
    model, out = write_model(tmp_path), tmp_path / "out"
    out.mkdir()
    for target, suffix in (("android-aar", ".aar"), ("android-module", ""), ("rpi-bookworm", "")):
        for name in ("x" * 300 + suffix, "x" * 300 + "/"):
            error_of(edge_deploy("bundle", model, "--target", target, "-o", f"{out}/{name}"), 7)
    assert list(out.iterdir()) == []


def test_a_verdict_that_failed_is_a_gate(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\nsize = "1 B"\n')
    measured = edge_deploy("profile", model, "--runs", "3", "--seconds", "0.01",
                           "--budget", budget, "-o", tmp_path / "m.json")  # fmt: skip
    assert measured.returncode == 1, measured.stderr
    for target in TARGETS:
        done = edge_deploy("bundle", model, "--target", target, "-o", tmp_path,
                           "--verdict", tmp_path / "m.json")  # fmt: skip
        assert "size fail" in error_of(done, 1)
        said = error_of(edge_deploy("bundle", model, "--target", target, "-o", tmp_path,
                                    "--budget", budget), 1)  # fmt: skip
        assert "allows 1" in said
    assert list(tmp_path.glob("*.aar")) == list(tmp_path.glob("*-android-module")) == []


def test_a_verdict_of_this_computer_is_doubted(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\nsize = "1 MB"\n')
    done = edge_deploy("profile", model, "--runs", "3", "--seconds", "0.01",
                       "--budget", budget, "-o", tmp_path / "m.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = edge_deploy("bundle", model, "--target", "android-aar", "-o", tmp_path,
                       "--verdict", tmp_path / "m.json", "--json")  # fmt: skip
    record = json.loads(done.stdout)
    assert record["manifest"]["gated"] is True
    assert len(record["warnings"]) == 1
    assert "profile" in record["warnings"][0]


def test_install_says_where_a_library_goes(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    aar = bundle(model, "android-aar", tmp_path)
    module = bundle(model, "android-module", tmp_path)
    done = edge_deploy("install", aar.path, "--device", "ssh://nobody@example.invalid")
    assert "libs/" in error_of(done, 3)
    done = edge_deploy("install", module.path, "--device", "ssh://nobody@example.invalid")
    assert "settings.gradle.kts" in error_of(done, 3)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_killed_build_leaves_nothing_that_stays(tmp_path: Path) -> None:
    """Killed at any moment: no module, or a whole one; what is left over goes with the next."""
    model = write_model(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    caught = 0
    for delay in (0.0, 0.001, 0.003, 0.01):
        before = set(out.iterdir())
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_deploy", "bundle", model, "--target", "android-module",
             "-o", out, "--force"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while set(out.iterdir()) <= before and process.poll() is None:  # until it writes
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        caught += process.wait() != 0
        module = out / "colors-android-module"
        if module.exists():
            manifest = json.loads((module / "manifest.json").read_text())
            assert all((module / name).is_file() for name in manifest["files"])
    assert caught > 0
    # As one that was killed while it proved the folder writable, and not by chance alone.
    (out / f".edge-deploy-{process.pid}-x.part").touch()
    done = edge_deploy("bundle", model, "--target", "android-module", "-o", out, "--force")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.iterdir()] == ["colors-android-module"]


def test_a_trained_model_with_its_card(digits_models: Path, tmp_path: Path) -> None:
    model = digits_models / "digits_mobilenet_v2_int8.tflite"
    done = edge_deploy("bundle", model, "--target", "android-aar", "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["manifest"]
    assert record["model"]["recipe"] == "int8"
    assert record["target"]["package"] == "dev.edgedeploy.digits_mobilenet_v2_int8"
    slow = digits_models / "digits_mobilenet_v2_int16x8.tflite"
    done = edge_deploy("bundle", slow, "--target", "android-aar", "-o", tmp_path, "--json")
    assert "int16" in json.loads(done.stdout)["warnings"][0]
