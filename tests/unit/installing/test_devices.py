"""The installer on devices that a bundle is not for, or that lack something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_bundle import (
    run_installer,
    with_manifest,
)

from edge_deploy.bundle_files.installer import device_checks
from edge_deploy.bundle_files.installer.device_checks import check_device
from edge_deploy.bundle_files.installer.refusal import Refusal
from edge_deploy.bundles.bundling import Bundle

from .refusals import refused


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("machine", "riscv64", "riscv64"),
        ("python", "3.99", "Python 3.99"),
        ("glibc", "9.99", "glibc 9.99"),
    ],
)
def test_another_device(
    made: Bundle, folder: Path, tmp_path: Path, key: str, value: str, words: str
) -> None:
    other = with_manifest(made, tmp_path / "o.tar.gz", lambda m: m["target"].update({key: value}))
    refused(run_installer(folder, other, "--prefix", tmp_path / "p"), 5, words)
    assert not (tmp_path / "p").exists()


def test_armv6_is_told_why(made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_checks.platform, "machine", lambda: "armv6l")
    with pytest.raises(Refusal, match="Pi Zero") as caught:
        check_device(made.manifest)
    assert caught.value.code == 5


def test_a_32_bit_system_on_a_64_bit_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_checks.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(device_checks.struct, "calcsize", lambda _: 4)
    assert device_checks.machine() == "armv7l"


def test_a_module_that_the_system_has_to_bring(made: Bundle, folder: Path, tmp_path: Path) -> None:
    def ask(module: str, below: int | None) -> Path:
        wanted = [{"module": module, "package": f"python3-{module}", "below": below}]
        return with_manifest(
            made, tmp_path / "m.tar.gz", lambda m: m.update(system_packages=wanted)
        )

    missing = run_installer(folder, ask("no_such_module", None), "--prefix", tmp_path / "p")
    refused(missing, 5, "apt install python3-no_such_module")
    refused(run_installer(folder, ask("numpy", 1), "--prefix", tmp_path / "p"), 5, "below 1")
    assert run_installer(folder, ask("numpy", 99), "--prefix", tmp_path / "p").returncode == 0


def test_a_folder_that_may_not_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run_installer(folder, "--prefix", tmp_path / "file"), 7, "cannot write")


def test_no_bundle_there(folder: Path, tmp_path: Path) -> None:
    refused(run_installer(folder, tmp_path / "none.tar.gz"), 3, "no bundle")
    refused(run_installer(folder, tmp_path), 3, "no unpacked bundle")
    (tmp_path / "text.tar.gz").write_text("hello")
    refused(run_installer(folder, tmp_path / "text.tar.gz"), 6, "damaged")


def test_the_installer_needs_no_more_than_python_3_9() -> None:
    """Its syntax, and no module beyond the standard library."""
    import ast

    import edge_deploy

    root = Path(edge_deploy.__file__).parent / "bundle_files"
    files = [root / "install.py", root / "edge-deploy-runner", *(root / "installer").glob("*.py")]
    assert len(files) > 8
    for path in files:
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                top = name.split(".", maxsplit=1)[0]
                known = {"installer", "edge_deploy_runner"}
                assert top in sys.stdlib_module_names or top in known, (path, name)
