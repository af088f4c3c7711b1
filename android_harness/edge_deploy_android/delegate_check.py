"""Which delegate really ran, by the harness and the runtime's log, held to what was asked for."""

from __future__ import annotations

from edge_deploy_runner.bench.records import DelegateUse
from edge_deploy_runner.errors import DeviceError

from .telemetry import DelegateEvidence, refusal_of

_NAMES = {"xnnpack": "XNNPACK", "gpu": "GPU", "nnapi": "NNAPI", "none": "none"}


def settle(told: DelegateUse, log: DelegateEvidence) -> DelegateUse:
    """The delegate in use: by the log where it tells, else by the harness's own word.

    Where the log has several, it is the one that was asked for, with its own share. The share
    is None where neither tells.
    """
    used, share = _name(told.used), told.operator_share
    asked = _NAMES.get(told.asked)
    if any(part.name == asked for part in log.parts):
        # What it left, XNNPACK takes: whoever has more operators, it is the one that was asked for.
        return DelegateUse(told.asked, str(asked), log.share_of(str(asked)))
    if log.used != "unknown":
        if log.used != used:
            share = None
        used = log.used
        share = share if log.operator_share is None else log.operator_share
    if used == "none":
        share = 0.0
    return DelegateUse(told.asked, used, None if used == "unknown" else share)


def check(use: DelegateUse, log: DelegateEvidence, model: str) -> tuple[str, ...]:
    """Warnings about the delegate; raises `DeviceError` where another ran than was asked for."""
    asked, used = use.asked, use.used
    contradiction = refusal_of(log, asked)
    if contradiction is not None:
        raise DeviceError(
            f"{_asked(asked)} was asked for {model}, but {contradiction}; measure with "
            "--delegate auto, or another one"
        )
    if used == "unknown":
        return (
            f"the phone does not tell which delegate ran (asked: {asked}), so these may be the "
            "times of other kernels",
        )
    if asked != "auto" and used != _NAMES[asked]:
        ran = "the plain CPU kernels run" if used == "none" else f"{used} runs"
        raise DeviceError(
            f"{_asked(asked)} was asked for, but {ran} {model}; measure with --delegate auto, or "
            "another one"
        )
    if use.operator_share is None:
        return (f"the phone does not tell how many of the operators {used} took",)
    return ()


def _asked(word: str) -> str:
    return "no delegate" if word == "none" else _NAMES.get(word, word)


def _name(word: str) -> str:
    return _NAMES.get(word.lower(), word or "unknown")
