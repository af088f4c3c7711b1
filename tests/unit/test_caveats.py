"""What spoils a figure, and what makes a whole run void."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_deploy_runner.bench.caveats import held_back_in, void_reasons, warnings_of
from edge_deploy_runner.machine.telemetry import Look, Telemetry
from measurements import made_up, sustained


def test_warnings_name_what_spoils_a_figure() -> None:
    quiet = made_up([10.0] * 300)
    assert warnings_of(quiet) == ()
    cases = [
        (made_up([10.0, 20.0] * 150), "vary by"),
        (made_up([10.0] * 100), "p99 needs 299"),
        (made_up(telemetry_after=Telemetry(governor="ondemand")), "governor is ondemand"),
        (made_up(telemetry_after=Telemetry(others_cpu_share=0.4)), "other programs used 40%"),
        (made_up(telemetry_after=Telemetry(throttled=0x1)), "under-voltage"),
        (
            made_up(
                telemetry_before=Telemetry(throttled=0),
                telemetry_after=Telemetry(throttled=0x40000),
            ),
            "throttled during the run",
        ),
        (made_up(sustained=sustained(throttled=(0, 0x8))), "30 s into the sustained load"),
        (made_up(sustained=sustained()), "10% slower"),
        (made_up(telemetry_after=Telemetry(on_battery=True)), "on battery"),
        (made_up([2000.0] * 30), "only 30 runs"),
        (made_up(evidence="simulated"), "emulated"),
    ]
    for measurement, words in cases:
        assert any(words in text for text in warnings_of(measurement)), words
    assert any("75%" in text for text in warnings_of(quiet, integer=True))


def test_nobody_is_told_to_change_a_phones_governor() -> None:
    found = made_up(telemetry_after=Telemetry(governor="sched_pixel"))
    phone = replace(found, device={**found.device, "android": "14"})
    assert any("governor is" in text for text in warnings_of(found))
    assert not any("governor is" in text for text in warnings_of(phone))


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (0, 0, None),
        (None, None, None),
        (0x50000, 0x50000, None),  # long ago
        (None, 0x50000, None),  # nobody knows when
        (0x10000, 0x50000, "throttled during"),
        (0x40000, 0x50000, "under-voltage during"),
        (0, 0x80000, "soft temperature limit during"),
        (0, 0x1, "reported under-voltage"),
        (0x2, 0, "reported frequency capped"),
        (0, 0xE0008, "frequency capped, throttled during"),
    ],
)
def test_a_new_throttling_bit_voids_the_run(
    before: int | None, after: int | None, word: str | None
) -> None:
    found = void_reasons(
        made_up(
            telemetry_before=Telemetry(throttled=before), telemetry_after=Telemetry(throttled=after)
        )
    )
    if word is None:
        assert found == ()
    else:
        assert any(word in reason for reason in found), found


def test_the_supplys_alarm_voids_a_run_without_throttling_bits() -> None:
    found = made_up(telemetry_after=Telemetry(under_voltage=True))
    assert void_reasons(found) == ("the board reported under-voltage",)


def test_heat_in_a_sustained_run_is_its_result_and_under_voltage_is_not() -> None:
    clean = {"telemetry_before": Telemetry(throttled=0), "telemetry_after": Telemetry(throttled=0)}
    hot = made_up(sustained=sustained(throttled=(0, 0xC000C)), **clean)
    assert void_reasons(hot) == ()
    assert hot.sustained is not None
    assert held_back_in(hot.sustained) == (30.0, ("throttled", "soft temperature limit"))
    weak = made_up(sustained=sustained(throttled=(0, 0x10000)), **clean)
    assert void_reasons(weak) == ("the board met under-voltage during the run",)


def test_a_look_among_the_timed_runs_counts() -> None:
    clean = Telemetry(throttled=0)
    found = made_up(
        telemetry_before=clean, telemetry_after=clean,
        telemetry_during=(Look(1.0, Telemetry(throttled=0x8)),),
    )  # fmt: skip
    assert void_reasons(found) == ("the board reported soft temperature limit",)


@pytest.mark.parametrize(
    ("status", "void"), [(None, False), (0, False), (1, False), (2, True), (9, True)]
)
def test_a_hot_phone_voids_a_run(status: int | None, void: bool) -> None:
    for changes in (
        {"telemetry_before": Telemetry(thermal_status=status)},
        {"telemetry_after": Telemetry(thermal_status=status)},
        {"telemetry_during": (Look(1.0, Telemetry(thermal_status=status)),)},
    ):
        found = made_up(**changes)
        assert bool(void_reasons(found)) is void
        assert any("thermal status" in text for text in warnings_of(found)) is void or status == 1
    words = warnings_of(made_up(telemetry_after=Telemetry(thermal_status=3)))
    assert any(
        "thermal status severe, so its times are void: let it cool" in text for text in words
    )


def test_a_phone_may_end_a_sustained_run_hot_but_not_begin_it_so() -> None:
    after = made_up(sustained=sustained(), telemetry_after=Telemetry(thermal_status=3))
    assert void_reasons(after) == ()
    assert any("after the sustained load" in text for text in warnings_of(after))
    before = made_up(sustained=sustained(), telemetry_before=Telemetry(thermal_status=3))
    assert void_reasons(before) == ("the phone reported the thermal status severe",)


def test_battery_saver_and_charging_are_told() -> None:
    found = made_up(telemetry_before=Telemetry(low_power_mode=True, charging=True))
    words = "\n".join(warnings_of(found))
    assert "battery saver" in words
    assert "was charging" in words
    quiet = made_up(telemetry_before=Telemetry(low_power_mode=False, charging=False))
    assert not any("battery" in text or "charging" in text for text in warnings_of(quiet))
