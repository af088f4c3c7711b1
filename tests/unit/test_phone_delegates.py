"""Which delegate ran a model, as its log tells."""

from __future__ import annotations

import pytest
from edge_deploy_android.telemetry import parse_delegate_log, refusal_of
from phone_outputs import said


def test_xnnpack_with_its_share() -> None:
    found = parse_delegate_log(said("log_xnnpack_stderr"))
    assert (found.used, found.replaced, found.total) == ("XNNPACK", 58, 64)
    assert found.operator_share == pytest.approx(58 / 64)
    assert found.parts[0].partitions == 4
    assert (found.failures, found.backend) == ((), None)


def test_several_interpreters_and_another_process() -> None:
    found = parse_delegate_log(said("log_sweep_threadtime").replace("\n", "\r\n"), pid=4711)
    assert (found.used, found.replaced, found.total, found.interpreters) == ("XNNPACK", 64, 64, 3)
    other = parse_delegate_log(said("log_sweep_threadtime"), pid=9020)
    assert (other.used, other.replaced, other.total) == ("GPU", 3, 90)
    assert parse_delegate_log(said("log_sweep_threadtime"), pid=1).used == "unknown"


def test_interpreters_that_disagree_say_nothing() -> None:
    found = parse_delegate_log(said("log_sweep_threadtime"))
    assert (found.used, found.replaced, found.operator_share) == ("unknown", None, None)


def test_two_delegates_share_one_graph() -> None:
    found = parse_delegate_log(said("log_nnapi_and_xnnpack"))
    assert (found.used, found.replaced, found.total, found.interpreters) == ("XNNPACK", 59, 64, 1)
    assert found.share_of("NNAPI") == pytest.approx(5 / 64)
    assert found.share_of("GPU") is None


def test_a_delegate_that_was_given_up() -> None:
    found = parse_delegate_log(said("log_nnapi_given_up"))
    assert (found.used, found.replaced, found.total) == ("XNNPACK", 31, 31)
    assert found.share_of("NNAPI") is None
    assert "ANEURALNETWORKS_OP_FAILED" in found.failures[0]
    told = refusal_of(found, "nnapi")
    assert told is not None
    assert "XNNPACK runs the model" in told
    assert "ANEURALNETWORKS_OP_FAILED" in told


def test_the_gpu_and_its_backend() -> None:
    found = parse_delegate_log(said("log_gpu_opencl"), pid=5120)
    assert (found.used, found.replaced, found.total, found.backend) == ("GPU", 48, 50, "OpenCL")
    assert refusal_of(found, "gpu") is None
    assert refusal_of(found, "auto") is None
    litert = parse_delegate_log(said("log_litert_cl"))
    assert (litert.used, litert.operator_share, litert.backend) == ("GPU", 1.0, "OpenCL")


def test_a_gpu_that_made_no_kernels() -> None:
    found = parse_delegate_log(said("log_gpu_no_kernels"))
    assert (found.used, found.replaced, found.created) == ("unknown", None, ("GPU",))
    told = refusal_of(found, "gpu")
    assert told is not None
    assert told.startswith("the log says: TfLiteGpuDelegate Init: Batch size mismatch")


def test_created_is_not_used() -> None:
    found = parse_delegate_log(said("log_created_only"))
    assert (found.used, found.created) == ("unknown", ("XNNPACK",))
    assert refusal_of(found, "xnnpack") is None


def test_the_older_form_tells_no_share() -> None:
    found = parse_delegate_log(said("log_old_form"))
    assert (found.used, found.replaced, found.total) == ("XNNPACK", 13, None)
    assert found.operator_share is None


def test_no_delegate_was_asked_for() -> None:
    found = parse_delegate_log(said("log_xnnpack_stderr"))
    assert refusal_of(found, "none") == "the log says that XNNPACK runs the model"
    assert refusal_of(parse_delegate_log(""), "none") is None


def test_subgraphs_are_added_up() -> None:
    line = "Replacing {} out of {} node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 "
    text = (line + "partitions for subgraph 0.\n").format(8, 10)
    text += (line + "partitions for subgraph 1.\n").format(5, 10)
    found = parse_delegate_log(text)
    assert (found.replaced, found.total, found.interpreters) == (13, 20, 1)


def test_a_delegate_of_another_maker_keeps_its_name() -> None:
    text = "INFO: Replacing 17 out of 21 node(s) with delegate (TfLiteQnnDelegate) node, yielding 9"
    assert parse_delegate_log(text).used == "TfLiteQnnDelegate"


@pytest.mark.parametrize(
    "text",
    ["", "Replacing node(s) with delegate ()", "Replacing 0 out of 9 node(s) with delegate (X)",
     "\x00" * 50],
)  # fmt: skip
def test_nothing_to_tell(text: str) -> None:
    found = parse_delegate_log(text)
    assert (found.used, found.replaced, found.total, found.parts) == ("unknown", None, None, ())
