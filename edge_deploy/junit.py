"""A verdict as JUnit XML, which every CI system shows: one test case per check."""

from __future__ import annotations

from xml.etree import ElementTree

from .judging import Check, Verdict


def to_junit(verdict: Verdict) -> bytes:
    """The XML document: a failed check is a failure, one without an answer an error."""
    counts = {
        "tests": len(verdict.checks),
        "failures": sum(check.status == "fail" for check in verdict.checks),
        "errors": sum(check.status not in ("pass", "fail") for check in verdict.checks),
        "skipped": 0,
    }
    attributes = {key: str(value) for key, value in counts.items()}
    root = ElementTree.Element("testsuites", {"name": "edge-deploy", **attributes})
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": _clean(verdict.budget), **attributes}
    )
    for check in verdict.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"name": check.metric, "classname": _clean(f"edge-deploy.{verdict.model}")},
        )
        text = _clean(sentence(check))
        if check.status == "fail":
            ElementTree.SubElement(case, "failure", {"type": "fail", "message": text})
        elif check.status != "pass":
            ElementTree.SubElement(case, "error", {"type": check.status, "message": text})
        ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def sentence(check: Check) -> str:
    """One line a check: the metric, its status, its figure, its limit and its evidence."""
    if check.value is None:
        return f"{check.metric}: {check.status} ({_limit(check)}): {check.reason}"
    return f"{check.metric}: {check.status}, {answer(check)}"


def answer(check: Check) -> str:
    """What a check found, without its metric and status: the figure, the limit, the evidence."""
    if check.value is None:
        return f"no figure against {_limit(check)}: {check.reason}"
    interval = ""
    if check.low is not None and check.high is not None and check.low != check.high:
        interval = f" [{amount(check.low, check.unit)} - {amount(check.high, check.unit)}]"
    reason = f": {check.reason}" if check.reason else ""
    return (
        f"{amount(check.value, check.unit)}{interval} against {_limit(check)} ({check.evidence})"
        f"{reason}"
    )


def _limit(check: Check) -> str:
    relation = "at least" if check.is_minimum else "at most"
    return f"{relation} {amount(check.limit, check.unit)}"


def amount(value: float, unit: str) -> str:
    """A figure for a reader, with its unit."""
    if unit == "bytes":
        for name, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if abs(value) >= factor:
                return f"{value / factor:.2f} {name}"
        return f"{value:.0f} B"
    return f"{value:.4g} {unit}"


def _clean(text: str) -> str:
    """The text without the characters that XML 1.0 forbids."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"
                   and not "\ud800" <= c <= "\udfff"))  # fmt: skip
