"""What about a phone spoils a measurement, told before minutes are spent on it."""

from __future__ import annotations

from .looking import AndroidTelemetry
from .processors import far_apart, governors

_LOW_PERCENT = 15


def phone_caveats(look: AndroidTelemetry, pinned: bool = False) -> tuple[str, ...]:
    """Sentences on the state of a phone that a measurement may suffer from.

    Heat, charging and battery saver are told by `edge_deploy_runner.bench.caveats`, which sees them
    in the measurement. `pinned`: the run is held to some cores, so fast and slow ones do not mix.
    """
    found = []
    battery = look.battery
    if battery is not None and battery.percent is not None and battery.percent <= _LOW_PERCENT:
        found.append(
            f"the battery is down to {battery.percent:.0f}%, where phones lower their clock"
        )
    if look.screen_on is False:
        found.append("the screen is off: a phone that dozes runs slower, so wake and unlock it")
    ratio = far_apart(look.cores)
    if ratio is not None and not pinned:
        found.append(
            f"the phone's fastest cores clock {ratio:.1f} times as high as its slowest: which "
            "of them run the model is the scheduler's choice, unless --cpus names them"
        )
    limited = sorted(
        core.number
        for core in look.cores
        if core.limit_khz and core.max_khz and core.limit_khz < 0.95 * core.max_khz
    )
    if limited:
        cores = ", ".join(str(number) for number in limited)
        found.append(f"the clock of core {cores} is limited below its largest, as heat does")
    if governors(look.cores) is None:
        found.append("the phone does not show its clocks to adb")
    return tuple(found)
