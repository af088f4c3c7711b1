"""The screen during windows of power: it must not go off, nor change its brightness by itself.

A phone whose screen is off sleeps between two runs, and what keeps it awake is the screen, as no
program of ours can. What the screen takes is in idle and load alike and is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_deploy_android.telemetry.looking import parse_screen

_ASK = "dumpsys power | grep -e mWakefulness= -e 'Display Power: state='"
_WAKE, _SLEEP = "224", "223"


def keep_screen_as_it_is(
    run: Callable[[Sequence[str]], str],
    seconds: float,
    on_undo: Callable[[Sequence[str]], None],
) -> None:
    """Have the screen on, unchanged, for so many seconds; touch only what is not so already.

    `run` runs a command on the phone and returns what it printed. `on_undo` is told the command
    that takes a change back before the change is made.
    """
    if is_screen_on(run) is False:
        on_undo(("input", "keyevent", _SLEEP))
        run(("input", "keyevent", _WAKE))
    needed_ms = int(seconds * 1000)
    timeout = _setting(run, "screen_off_timeout")
    if timeout is None or not timeout.isdigit() or int(timeout) < needed_ms:
        _put(run, on_undo, "screen_off_timeout", timeout, str(needed_ms))
    brightness = _setting(run, "screen_brightness_mode")
    if brightness == "1":
        _put(run, on_undo, "screen_brightness_mode", brightness, "0")


def is_screen_on(run: Callable[[Sequence[str]], str]) -> bool | None:
    """Whether it is on; None where the phone does not say."""
    return parse_screen(run(("sh", "-c", _ASK)))


def _setting(run: Callable[[Sequence[str]], str], name: str) -> str | None:
    value = run(("settings", "get", "system", name)).strip()
    return None if value in ("", "null") else value


def _put(
    run: Callable[[Sequence[str]], str],
    on_undo: Callable[[Sequence[str]], None],
    name: str,
    old: str | None,
    new: str,
) -> None:
    if old is None:
        on_undo(("settings", "delete", "system", name))
    else:
        on_undo(("settings", "put", "system", name, old))
    run(("settings", "put", "system", name, new))
