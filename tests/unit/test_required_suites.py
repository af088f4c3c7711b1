"""EDGE_DEPLOY_REQUIRE: a skip, however it comes about, fails where its suite must run.

The real tests/conftest.py is put into a project of its own, whose pytest is a child.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT

_SKIPS = """
import unittest
import pytest
from conftest import skip_or_fail

@pytest.fixture
def skipping():
    pytest.skip("the fixture does")

@pytest.fixture(scope="module")
def skipping_once():
    pytest.skip("the fixture of the whole file does")

@pytest.fixture
def skipping_late():
    yield
    pytest.skip("the fixture does, at its end")

@pytest.mark.skip(reason="always")
def test_mark(): pass

@pytest.mark.skipif(True, reason="whatever")
def test_skipif(): pass

def test_inside():
    pytest.skip("in it")

def test_import():
    pytest.importorskip("no_such_module")

def test_fixture(skipping): pass

def test_first_of_two(skipping_once): pass

def test_second_of_two(skipping_once): pass

def test_teardown(skipping_late): pass

@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.skip(reason="this one")), 2])
def test_parameter(n): pass

class TestUnittest(unittest.TestCase):
    def test_method(self):
        self.skipTest("as unittest does")

@pytest.mark.xfail(reason="skips, fails or passes")
def test_skip_in_xfail():
    pytest.skip("in it")
"""
_NEVER = """
import pytest
from conftest import skip_or_fail

def test_passes(): pass

def test_fails():
    assert not "a failure"

@pytest.mark.xfail(reason="known")
def test_xfail():
    assert not "known"

@pytest.mark.xfail(reason="known", run=False)
def test_xfail_not_run(): pass

def test_xfail_inside():
    pytest.xfail("known")

@pytest.fixture
def offline():
    skip_or_fail("network", "there is no network")

def test_network():
    skip_or_fail("network", "there is no network")

def test_network_fixture(offline): pass

@pytest.mark.needs_shared
def test_shared(): pass

@pytest.mark.needs_shared
def test_skip_in_shared():
    pytest.skip("in it")
"""
_WHOLE = {
    "import": "import pytest\npytest.importorskip('no_such_module')\n",
    "skip": "import pytest\npytest.skip('not here', allow_module_level=True)\n",
    "unittest": "import unittest\nraise unittest.SkipTest('not here')\n",
}
# What each test of _SKIPS is where its suite is required.
FORBIDDEN = {
    "test_mark": "error", "test_skipif": "error", "test_fixture": "error",
    "test_first_of_two": "error", "test_second_of_two": "error",
    "test_inside": "failure", "test_import": "failure", "test_method": "failure",
    "test_skip_in_xfail": "failure",
    "test_teardown": "error",
    "test_parameter[1]": "error", "test_parameter[2]": "passed",
}  # fmt: skip
ALLOWED = {name: "passed" if name == "test_parameter[2]" else "skipped" for name in FORBIDDEN}
# What those of _NEVER are where nothing is required.
OTHERS = {
    "test_passes": "passed", "test_fails": "failure",
    "test_xfail": "xfail", "test_xfail_not_run": "xfail", "test_xfail_inside": "xfail",
    "test_network": "skipped", "test_network_fixture": "skipped",
    "test_shared": "skipped", "test_skip_in_shared": "skipped",
}  # fmt: skip
WITH_AND_WITHOUT_XDIST = pytest.mark.parametrize("workers", [0, 2], ids=["alone", "xdist"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with no shared models beside it, whose tests are the real conftest.py alone."""
    clone = tmp_path / "clone"
    (clone / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", clone / "tests")
    (clone / "pytest.ini").write_text(
        "[pytest]\npythonpath = tests\naddopts = --strict-markers -p no:cacheprovider\n"
        "markers = needs_shared: opens models that lie beside the project\n"
    )
    return clone


def write(project: Path, name: str, text: str) -> None:
    path = project / "tests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def outcomes(project: Path, required: str, workers: int) -> dict[str, dict[str, str]]:
    """By file and test: passed, skipped, xfail, failure or error (of a fixture, or the file)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["EDGE_DEPLOY_REQUIRE"] = required
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--junitxml", "report.xml"],
        cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    found: dict[str, dict[str, str]] = {}
    bad = False
    for case in ElementTree.parse(project / "report.xml").iter("testcase"):
        told = {child.tag: child for child in case if child.tag in ("skipped", "failure", "error")}
        outcome = next((tag for tag in ("error", "failure", "skipped") if tag in told), "passed")
        if outcome == "skipped" and told["skipped"].get("type") == "pytest.xfail":
            outcome = "xfail"
        bad = bad or outcome in ("error", "failure")
        words = "".join(child.text or "" for child in told.values())
        if outcome in ("error", "failure") and case.get("name") != "test_fails":
            assert "EDGE_DEPLOY_REQUIRE names" in words, words
        name = case.get("name", "")
        parts = [*case.get("classname", "").split("."), *name.split(".")]
        file = next(part for part in parts if part.startswith("test_"))
        found.setdefault(file, {})[name] = outcome
    assert (done.returncode != 0) == bad, done.stdout + done.stderr
    return found


@WITH_AND_WITHOUT_XDIST
def test_nothing_is_required_of_a_clone(project: Path, workers: int) -> None:
    write(project, "pipeline/test_pipeline.py", _SKIPS)
    write(project, "android/test_android.py", _SKIPS)
    write(project, "unit/test_unit.py", _NEVER)
    assert outcomes(project, "", workers) == {
        "test_pipeline": ALLOWED, "test_android": ALLOWED, "test_unit": OTHERS,
    }  # fmt: skip


@WITH_AND_WITHOUT_XDIST
def test_every_kind_of_skip_fails_in_a_required_suite(project: Path, workers: int) -> None:
    write(project, "pipeline/test_pipeline.py", _SKIPS)
    write(project, "unit/test_unit.py", _NEVER)
    write(project, "test_top.py", "import pytest\ndef test_top(): pytest.skip('in it')\n")
    for folder in ("android", "emulated", "hardware"):
        write(project, f"{folder}/test_{folder}.py", _SKIPS)
    assert outcomes(project, "pipeline,hardware", workers) == {
        "test_pipeline": FORBIDDEN, "test_hardware": FORBIDDEN, "test_unit": OTHERS,
        "test_top": {"test_top": "failure"}, "test_android": ALLOWED, "test_emulated": ALLOWED,
    }  # fmt: skip


@WITH_AND_WITHOUT_XDIST
def test_a_suite_that_a_test_names_counts_instead_of_its_folder(
    project: Path, workers: int
) -> None:
    write(project, "unit/test_unit.py", _NEVER)
    write(project, "android/test_android.py", _NEVER)
    needed = {**OTHERS, "test_network": "failure", "test_network_fixture": "error"}
    expected = {"test_unit": needed, "test_android": needed}
    assert outcomes(project, "network", workers) == expected
    needed = {**OTHERS, "test_shared": "error", "test_skip_in_shared": "error"}
    expected = {"test_unit": needed, "test_android": needed}
    assert outcomes(project, "shared", workers) == expected


def test_with_the_shared_models_there_only_what_skips_itself_fails(project: Path) -> None:
    (project.parent / "shared" / "models").mkdir(parents=True)
    write(project, "unit/test_unit.py", _NEVER)
    found = outcomes(project, "shared", 0)["test_unit"]
    assert found == {**OTHERS, "test_shared": "passed", "test_skip_in_shared": "failure"}
    assert outcomes(project, "pipeline", 0)["test_unit"]["test_skip_in_shared"] == "skipped"


@WITH_AND_WITHOUT_XDIST
def test_a_file_that_skips_as_a_whole(project: Path, workers: int) -> None:
    for how, text in _WHOLE.items():
        write(project, f"android/test_{how}.py", text + "def test_one(): pass\n")
    write(project, "pipeline/test_other.py", "def test_other(): pass\n")
    allowed = outcomes(project, "pipeline", workers)
    assert allowed.pop("test_other") == {"test_other": "passed"}
    assert {file: {*tests.values()} for file, tests in allowed.items()} == {
        f"test_{how}": {"skipped"} for how in _WHOLE
    }
    forbidden = outcomes(project, "android", workers)
    forbidden.pop("test_other", None)  # errors of collection end the whole run
    assert {file: {*tests.values()} for file, tests in forbidden.items()} == {
        f"test_{how}": {"error"} for how in _WHOLE
    }
