"""Which delegate ran, by the harness and the log, against what was asked for."""

from __future__ import annotations

import pytest
from edge_deploy_android.delegate_check import check, settle
from edge_deploy_android.telemetry import DelegateEvidence, parse_delegate_log
from edge_deploy_runner.bench.records import DelegateUse
from edge_deploy_runner.errors import DeviceError

NOTHING = DelegateEvidence()


def test_what_is_unknown_is_said_once() -> None:
    assert DelegateUse("auto", "unknown", None).words() == "unknown"
    assert DelegateUse("auto", "GPU", None).words() == "GPU (share of operators unknown)"


def replacing(taken: int, total: int, name: str) -> DelegateEvidence:
    """The log of an interpreter whose delegate took some nodes."""
    return parse_delegate_log(
        f"INFO: Replacing {taken} out of {total} node(s) with delegate ({name}) node, yielding 1 "
        "partitions for the whole graph."
    )


def unknown(asked: str) -> DelegateUse:
    """What the harness says where its runtime does not tell."""
    return DelegateUse(asked, "unknown", None)


def test_the_log_tells_what_the_harness_cannot() -> None:
    use = settle(unknown("auto"), replacing(63, 65, "TfLiteXNNPackDelegate"))
    assert (use.used, use.operator_share) == ("XNNPACK", 63 / 65)
    assert check(use, NOTHING, "m.tflite") == ()


@pytest.mark.parametrize(("taken", "share"), [(48, 48 / 50), (5, 5 / 50)])
def test_what_the_gpu_leaves_runs_on_xnnpack(taken: int, share: float) -> None:
    """The delegate in use is the one that was asked for, and the share is its own."""
    line = "Replacing {} out of {} node(s) with delegate ({}) node, yielding 1 partitions for the "
    left = 50 - taken
    log = parse_delegate_log(
        (line + "whole graph.\n").format(taken, 50, "TfLiteGpuDelegateV2")
        + (line + "whole graph.\n").format(left, left + 1, "TfLiteXNNPackDelegate")
    )
    assert [part.name for part in log.parts] == ["GPU", "XNNPACK"]
    use = settle(unknown("gpu"), log)
    assert (use.used, use.operator_share) == ("GPU", pytest.approx(share))
    assert check(use, log, "m.tflite") == ()
    with pytest.raises(DeviceError, match="NNAPI"):
        check(settle(unknown("nnapi"), log), log, "m.tflite")


def test_the_log_wins_over_the_harness() -> None:
    told = DelegateUse("gpu", "gpu", 1.0)
    log = replacing(10, 20, "TfLiteXNNPackDelegate")
    use = settle(told, log)
    assert (use.used, use.operator_share) == ("XNNPACK", 0.5)
    with pytest.raises(DeviceError, match=r"GPU was asked for m.tflite, but .*XNNPACK"):
        check(use, log, "m.tflite")


@pytest.mark.parametrize("asked", ["auto", "xnnpack", "gpu", "nnapi", "none"])
def test_unknown_stays_unknown(asked: str) -> None:
    use = settle(unknown(asked), NOTHING)
    assert (use.used, use.operator_share) == ("unknown", None)
    assert f"asked: {asked}" in check(use, NOTHING, "m.tflite")[0]


@pytest.mark.parametrize(
    ("asked", "name", "used"),
    [
        ("xnnpack", "TfLiteXNNPackDelegate", "XNNPACK"),
        ("gpu", "TfLiteGpuDelegateV2", "GPU"),
        ("nnapi", "TfLiteNnapiDelegate", "NNAPI"),
    ],
)
def test_what_was_asked_for_ran(asked: str, name: str, used: str) -> None:
    log = replacing(5, 10, name)
    use = settle(unknown(asked), log)
    assert use == DelegateUse(asked, used, 0.5)
    assert check(use, log, "m.tflite") == ()


@pytest.mark.parametrize(
    ("asked", "told", "words"),
    [
        ("none", "XNNPACK", "no delegate was asked for, but XNNPACK runs"),
        ("gpu", "none", "GPU was asked for, but the plain CPU kernels run"),
        ("nnapi", "XNNPACK", "NNAPI was asked for, but XNNPACK runs"),
        ("xnnpack", "none", "XNNPACK was asked for, but the plain CPU kernels run"),
    ],
)
def test_another_ran(asked: str, told: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        check(settle(DelegateUse(asked, told, None), NOTHING), NOTHING, "m.tflite")


def test_none_has_a_share_of_nothing() -> None:
    assert settle(DelegateUse("auto", "none", None), NOTHING).operator_share == 0.0
    use = settle(DelegateUse("auto", "XNNPACK", None), NOTHING)
    assert "how many" in check(use, NOTHING, "m.tflite")[0]
