"""What can go wrong with a fake phone, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """The faults that are in force; the default is a healthy phone.

    Attributes:
        offline: The phone takes connections and never answers.
        unauthorized: The phone waits for its owner to allow this computer.
        disconnect_after_pushed_bytes: The cable falls out when a push has brought so many bytes.
        disconnect_after_run_s: The cable falls out so long after app_process or an instrumentation
            started.
        gone_after_disconnect: After such a fall nobody answers any more, until `heal()`.
        no_shell_v2: The shell has neither exit codes nor a stderr of its own, as before Android 7.
        old_protocol: 4 KiB packets with checksums, as before Android 7.
        crlf: The old shell ends its lines with CR LF.
        bytes_per_s: The link's speed.
        crash_signal: app_process dies of this signal ...
        crash_after_s: ... so long after its start.
        no_services: `dumpsys` services that do not exist.
        counters_zero: Battery counters and currents stay 0.
        counters_still: Battery counters do not move.
        charging: The phone is on a charger.
        am_fails: `am instrument` fails with this text.
        pm_fails: `pm install` fails with this text, e.g. INSTALL_FAILED_INSUFFICIENT_STORAGE.
        clock_offset_s: The phone's clock is wrong by so much (`date` only).
        hot: `thermalservice` reports a throttled phone.
    """

    offline: bool = False
    unauthorized: bool = False
    disconnect_after_pushed_bytes: int | None = None
    disconnect_after_run_s: float | None = None
    gone_after_disconnect: bool = False
    no_shell_v2: bool = False
    old_protocol: bool = False
    crlf: bool = False
    bytes_per_s: float | None = None
    crash_signal: int | None = None
    crash_after_s: float = 0.0
    no_services: tuple[str, ...] = ()
    counters_zero: bool = False
    counters_still: bool = False
    charging: bool = False
    am_fails: str | None = None
    pm_fails: str | None = None
    clock_offset_s: float = 0.0
    hot: bool = False
