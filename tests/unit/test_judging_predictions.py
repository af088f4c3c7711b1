"""Verdicts over predictions: nothing passes without leave, and the far end is what is judged."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from edge_deploy_runner.bench.records import BatteryUse, Energy, Measurement
from measurements import basis, made_up, predicted

from edge_deploy.budget import parse_budget
from edge_deploy.judging import Check, judge
from edge_deploy.junit import sentence, to_junit

ALLOW = 'allow = ["predicted"]'
ENERGY = Energy("predicted", 30.0, 20.0, 40.0, 50.0, 35.0, 80.0, 2.0, 5.0, idle_w_low=1.5,
                idle_w_high=2.5)  # fmt: skip
BATTERY = '[battery]\ncapacity = "1000 mAh"\nvoltage = "3.6 V"\nefficiency = "100 %"\n'


def check(limits: str, before: str = ALLOW, found: Measurement | None = None) -> Check:
    budget = parse_budget(f"{before}\n[limits]\n{limits}")
    return judge(found or predicted(energy=ENERGY), budget).checks[0]


@pytest.mark.parametrize(
    "limit",
    [
        'latency_p50 = "1 s"', 'latency_p90 = "1 s"', 'peak_memory = "1 GB"',
        'energy_per_inference = "1 J"',
    ],
)  # fmt: skip
def test_nothing_passes_silently(limit: str) -> None:
    found = check(limit, before="")
    assert (found.status, found.evidence) == ("unmeasured", "predicted")
    assert 'allow = ["predicted"]' in found.reason
    assert check(limit, before='allow = ["simulated"]').status == "unmeasured"
    passed = check(limit)
    assert passed.status == "pass"
    assert passed.reason.startswith("judged on the far end of its")


@pytest.mark.parametrize(
    "limit", ['latency_p50 = "1 s"', 'latency_p90 = "1 s"', 'energy_per_inference = "1 J"']
)
def test_an_emulators_times_need_leave_in_a_prediction_too(limit: str) -> None:
    rests_on = basis(standing="simulated")
    found = check(limit, found=predicted(energy=ENERGY, rests_on=rests_on))
    assert (found.status, found.evidence) == ("unmeasured", "predicted")
    assert 'allow = ["simulated"]' in found.reason
    for leave in ('allow = ["simulated"]', 'allow = ["predicted", "simulated"]'):
        status = check(
            limit, before=leave, found=predicted(energy=ENERGY, rests_on=rests_on)
        ).status
        assert status == ("pass" if "predicted" in leave else "unmeasured")


def test_leave_may_be_for_one_limit() -> None:
    budget = parse_budget(
        '[limits]\nlatency_p50 = {max = "1 s", allow = ["predicted"]}\npeak_memory = "1 GB"'
    )
    verdict = judge(predicted(), budget)
    assert [found.status for found in verdict.checks] == ["pass", "unmeasured"]
    assert verdict.status == "unmeasured"


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ('latency_p50 = "12 ms"', "pass"),
        ('latency_p50 = "11.9 ms"', "fail"),
        ('latency_p50 = "7 ms"', "fail"),
        ('latency_p90 = "18 ms"', "pass"),
        ('latency_p90 = "17 ms"', "fail"),
        ('peak_memory = "50 MB"', "pass"),
        ('peak_memory = "49 MB"', "fail"),
        ('energy_per_inference = "40 mJ"', "pass"),
        ('energy_per_inference = "39 mJ"', "fail"),
    ],
)
def test_the_far_end_is_judged(limit: str, status: str) -> None:
    found = check(limit)
    assert found.status == status
    assert "far end" in found.reason
    if limit.startswith("latency_p50"):
        assert found.reason == "judged on the far end of its 80% interval"
    if limit.startswith("latency_p90"):
        assert found.reason.endswith("its range, the 80% interval of p50 included")


def test_gross_energy_is_judged_on_its_own_ends() -> None:
    assert check('energy_per_inference = "80 mJ"', f"gross = true\n{ALLOW}").status == "pass"
    assert check('energy_per_inference = "79 mJ"', f"gross = true\n{ALLOW}").status == "fail"


def test_a_battery_is_judged_on_its_far_end() -> None:
    before = f"{ALLOW}\n{BATTERY}"
    # 40 J of 12,960 J; hours of (idle 2.5 W + 40 mJ in 12 ms), the most of either.
    share, hours = 40 / 12960 * 100, 3.6 / (2.5 + 40 / 12)
    assert check(f'battery_per_1000 = "{share * 1.001} %"', before).status == "pass"
    assert check(f'battery_per_1000 = "{share * 0.999} %"', before).status == "fail"
    assert check(f'hours_continuous = "{hours * 0.999} h"', before).status == "pass"
    found = check(f'hours_continuous = "{hours * 1.001} h"', before)
    assert found.status == "fail"
    assert found.low == pytest.approx(hours)


@pytest.mark.parametrize("own", [0.85, 1.0])
def test_a_phones_battery_has_no_converter_in_a_budget_either(own: float) -> None:
    battery = '[battery]\ncapacity = "1000 mAh"\nvoltage = "3.6 V"\n'
    use = BatteryUse(3000, 3.85, own, "predicted")
    found = check('battery_per_1000 = "1 %"', f"{ALLOW}\n{battery}", predicted(
        energy=ENERGY, battery=use))  # fmt: skip
    assert found.value == pytest.approx(30 / (12960 * own) * 100)


def test_watts_of_the_user_over_a_predicted_time_are_predicted() -> None:
    energy = Energy("user", 30.0, 20.0, 40.0)
    found = check('energy_per_inference = "1 J"', before="", found=predicted(energy=energy))
    assert (found.status, found.evidence) == ("unmeasured", "predicted")


def test_the_size_is_known() -> None:
    found = check('size = "3 MB"', before="")
    assert (found.status, found.evidence, found.reason) == ("pass", "measured", "")


@pytest.mark.parametrize(
    ("limit", "option"),
    [
        ('load = "1 s"', "4"),
        ('first_inference = "1 s"', "4"),
        ('latency_p99 = "1 s"', "4 --runs 299"),
        ('sustained_p90 = "1 s"', "4 --sustained SECONDS"),
        ('slowdown = "2x"', "4 --sustained SECONDS"),
    ],
)
def test_what_no_prediction_knows_is_unmeasured(limit: str, option: str) -> None:
    found = check(limit)
    assert (found.status, found.value) == ("unmeasured", None)
    assert "a prediction does not know" in found.reason
    command = "edge-deploy profile model.tflite --device android --threads"
    assert found.reason.endswith(f"{command} {option}")


def test_unknown_energy_says_why() -> None:
    energy = Energy("unknown", reason="nothing is known of it")
    found = check('energy_per_inference = "1 J"', found=predicted(energy=energy))
    assert (found.status, found.reason) == ("unmeasured", "nothing is known of it")


def test_a_budget_judges_predictions_for_its_own_device() -> None:
    limit = 'latency_p50 = "1 s"'
    assert check(limit, f'device = "pixel-4"\n{ALLOW}').status == "pass"
    found = check(limit, f'device = "raspberry-pi-5"\n{ALLOW}')
    assert found.status == "unmeasured"
    assert "this was predicted for pixel-4" in found.reason


def test_the_worst_of_a_prediction_and_a_measurement() -> None:
    budget = parse_budget(f'{ALLOW}\n[limits]\nlatency_p50 = "11 ms"')
    same: dict[str, Any] = {"device": "pixel-4"}
    assert judge(made_up(**same), budget).status == "pass"
    verdict = judge([made_up(**same), predicted()], budget)
    assert (verdict.status, verdict.checks[0].evidence) == ("fail", "predicted")


def test_sentence_and_junit_say_that_it_is_predicted() -> None:
    verdict = judge(predicted(), parse_budget(f'{ALLOW}\n[limits]\nlatency_p50 = "12 ms"'))
    assert sentence(verdict.checks[0]) == (
        "latency_p50: pass, 10 ms [8 ms - 12 ms] against at most 12 ms (predicted): judged on the "
        "far end of its 80% interval"
    )
    case = ElementTree.fromstring(to_junit(verdict)).find("testsuite/testcase/system-out")
    assert case is not None
    assert "predicted" in str(case.text)
