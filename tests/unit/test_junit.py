"""JUnit XML of a verdict."""

from __future__ import annotations

from xml.etree import ElementTree

from edge_deploy_runner.bench.records import ModelIdentity
from measurements import made_up

from edge_deploy.budget import parse_budget
from edge_deploy.judging import judge
from edge_deploy.junit import to_junit

LIMITS = """[limits]
size = "5 MB"
load = "1 ms"
accuracy_drop = "1 pt"
latency_p50 = "1 s"
"""


def test_one_case_a_check() -> None:
    verdict = judge(made_up([10.0] * 5), parse_budget(LIMITS, "gate.toml"))
    root = ElementTree.fromstring(to_junit(verdict))
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["errors"] == "2"
    cases = {case.attrib["name"]: case for case in suite.findall("testcase")}
    assert list(cases) == ["size", "load", "accuracy_drop", "latency_p50"]
    assert cases["size"].find("failure") is None
    assert cases["size"].find("error") is None
    failure = cases["load"].find("failure")
    assert failure is not None
    assert "7.5 ms" in failure.attrib["message"]
    unmeasured, inconclusive = (cases[n].find("error") for n in ("accuracy_drop", "latency_p50"))
    assert unmeasured is not None
    assert inconclusive is not None
    assert unmeasured.attrib["type"] == "unmeasured"
    assert inconclusive.attrib["type"] == "inconclusive"


def test_names_that_xml_cannot_hold() -> None:
    model = ModelIdentity('<evil> & "quoted" \x00\x1b\ud800.tflite', "ab" * 32, 1)
    verdict = judge(made_up(model=model), parse_budget(LIMITS))
    root = ElementTree.fromstring(to_junit(verdict))
    case = root.find("testsuite/testcase")
    assert case is not None
    assert case.attrib["classname"] == 'edge-deploy.<evil> & "quoted" .tflite'
