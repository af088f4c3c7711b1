"""Verdicts: what passes, what fails, and what must never pass."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from edge_deploy_runner.bench.records import Energy, ModelIdentity
from edge_deploy_runner.errors import BadInputError
from measurements import made_up, sustained

from edge_deploy.budget import parse_budget
from edge_deploy.energy import predicted_energy, user_power
from edge_deploy.judging import Check, judge
from edge_deploy.junit import to_junit

SPREAD = [9.0 + 0.01 * number for number in range(300)]  # p50 10.495, its interval about +-0.17


def check(limits: str, before: str = "", accuracy: Any = None, **changes: Any) -> Check:
    """The one check of a budget of one limit, on a measurement with these changes."""
    budget = parse_budget(f"{before}\n[limits]\n{limits}")
    return judge(made_up(**changes), budget, accuracy).checks[0]


def test_a_value_at_its_limit_passes() -> None:
    found = check('size = "3 MB"')
    assert (found.status, found.value, found.evidence) == ("pass", 3e6, "measured")
    assert check('size = "2.99 MB"').status == "fail"


@pytest.mark.parametrize(
    ("limit", "status"),
    [("11 ms", "pass"), ("10.5 ms", "inconclusive"), ("10 ms", "fail")],
)
def test_a_percentile_is_judged_by_its_interval(limit: str, status: str) -> None:
    assert check(f'latency_p50 = "{limit}"', latencies_ms=SPREAD).status == status


def test_too_few_runs_do_not_pass() -> None:
    assert check('latency_p50 = "1 s"', latencies_ms=[10.0] * 5).status == "inconclusive"
    assert check('latency_p99 = "1 s"', latencies_ms=[10.0] * 298).status == "unmeasured"
    assert check('latency_p99 = "1 s"', latencies_ms=[10.0] * 299).status == "pass"


def test_other_metrics() -> None:
    assert check('load = "7.5 ms"').status == "pass"
    assert check('load = "7 ms"').status == "fail"
    assert check('first_inference = "11 ms"').status == "fail"
    assert check('peak_memory = "20 MB"').status == "pass"
    assert check('peak_memory = "20 MB"', peak_memory_bytes=None).status == "unmeasured"


def test_a_budget_for_one_device_does_not_judge_another() -> None:
    found = check('size = "5 MB"', 'device = "pixel-4"')
    assert found.status == "unmeasured"
    assert "pixel-4" in found.reason
    assert check('size = "5 MB"', 'device = "pixel-4"', device="pixel-4").status == "pass"
    assert check('size = "5 MB"', 'device = "local"', device="raspberry-pi-5").status == "pass"


def test_other_evidence_needs_leave() -> None:
    assert check('load = "1 s"', evidence="simulated").status == "unmeasured"
    limit = 'latency_p50 = "1 s"'
    assert check(limit, 'allow = ["simulated"]', evidence="simulated").status == "pass"
    table = 'latency_p50 = {max = "1 s", allow = ["simulated"]}'
    assert check(table, evidence="simulated").status == "pass"
    other = check('load = "1 s"', 'allow = ["predicted"]', evidence="simulated")
    assert other.status == "unmeasured"


def test_unknown_evidence_never_passes() -> None:
    found = check('load = "1 s"', 'allow = ["simulated", "predicted"]', evidence="unknown")
    assert found.status == "unmeasured"


PREDICTED = Energy("predicted", 10.0, 8.0, 12.0, 20.0, 18.0, 22.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("limit", "status"), [("12 mJ", "pass"), ("11 mJ", "fail"), ("9 mJ", "fail")]
)
def test_a_prediction_is_judged_on_its_far_end(limit: str, status: str) -> None:
    found = check(f'energy_per_inference = "{limit}"', 'allow = ["predicted"]', energy=PREDICTED)
    assert found.status == status


BATTERY = '[battery]\ncapacity = "1000 mAh"\nvoltage = "3.6 V"\nefficiency = "100 %"'


@pytest.mark.parametrize(
    "limit",
    ['energy_per_inference = "1 J"', 'battery_per_1000 = "90 %"', 'hours_continuous = "1 min"'],
)
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_prediction_without_both_ends_does_not_pass(limit: str, end: str) -> None:
    before = f'allow = ["predicted"]\n{BATTERY}'
    assert check(limit, before, energy=PREDICTED).status == "pass"
    energy = replace(PREDICTED, **{end: None, f"gross_{end}": None})
    found = check(limit, before, energy=energy)
    assert (found.status, found.reason) == (
        "inconclusive", "the predicted figure has no interval",
    )  # fmt: skip


@pytest.mark.parametrize(("low", "high"), [(11.0, 12.0), (8.0, 9.0), (12.0, 8.0)])
@pytest.mark.parametrize("evidence", ["measured", "user", "predicted"])
def test_a_figure_outside_its_interval_does_not_pass(
    low: float, high: float, evidence: str
) -> None:
    energy = Energy(evidence, 10.0, low, high, 10.0, low, high, 0.1, 1.0)
    for limit in ("energy_per_inference = '1 J'", "hours_continuous = '1 min'"):
        found = check(limit, f'allow = ["predicted"]\n{BATTERY}', energy=energy)
        assert found.status == "inconclusive"
        assert "outside its own interval" in found.reason


def test_a_drop_outside_its_interval_does_not_pass() -> None:
    found = check('accuracy_drop = "5 pt"', accuracy=accuracy(drop_points=1.5))
    assert found.status == "inconclusive"


def test_a_perfect_share_lies_in_its_interval() -> None:
    for samples in (1, 3, 97, 2000):
        document = accuracy(top1=1.0, samples=samples)
        assert check('accuracy_top1 = "1 %"', accuracy=document).status == "pass"


def test_a_users_power_is_judged_as_it_is() -> None:
    energy = Energy("user", 10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 1.0, 2.0)
    assert check('energy_per_inference = "10 mJ"', energy=energy).status == "pass"


def test_gross_counts_the_idle_power() -> None:
    energy = Energy("user", 10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 1.0, 2.0)
    assert check('energy_per_inference = "15 mJ"', energy=energy).status == "pass"
    assert check('energy_per_inference = "15 mJ"', "gross = true", energy=energy).status == "fail"


def test_unknown_energy_is_unmeasured() -> None:
    found = check('energy_per_inference = "1 J"', energy=Energy("unknown", reason="no counter"))
    assert (found.status, found.reason) == ("unmeasured", "no counter")


def test_battery_figures_use_the_budgets_battery() -> None:
    # 1000 mAh at 3.6 V are 12960 J; 1000 inferences of 12.96 mJ take 12.96 J: 0.1 %.
    energy = Energy("user", 12.96, 12.96, 12.96, 22.96, 22.96, 22.96, 1.0, 2.296)
    found = check('battery_per_1000 = "0.2 %"', BATTERY, energy=energy)
    assert found.status == "pass"
    assert found.value == pytest.approx(0.1)
    hours = check('hours_continuous = "1.5 h"', BATTERY, energy=energy)
    # 3.6 Wh at 1 W idle and 12.96 mJ every 10 ms, 1.296 W.
    assert hours.value == pytest.approx(3.6 / 2.296)
    assert hours.status == "pass"
    assert check('hours_continuous = "1.6 h"', BATTERY, energy=energy).status == "fail"
    assert check('battery_per_1000 = "1 %"', energy=energy).status == "unmeasured"


def accuracy(**changes: Any) -> dict[str, Any]:
    return {
        "model": {"sha256": "ab" * 32},
        "samples": 2000, "top1": 0.94, "top5": 0.99, "reference": {"top1": 0.945},
        "drop_points": 0.5, "drop_ci95": [0.1, 0.9], "agreement": 0.98, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("0.9 pt", "pass"),
        ("0.6 pt", "inconclusive"),
        ("0.4 pt", "inconclusive"),
        ("0.05 pt", "fail"),
    ],
)
def test_accuracy_drop_is_judged_by_its_interval(limit: str, status: str) -> None:
    assert check(f'accuracy_drop = "{limit}"', accuracy=accuracy()).status == status


@pytest.mark.parametrize(
    ("limit", "status"), [("92 %", "pass"), ("94 %", "inconclusive"), ("96 %", "fail")]
)
def test_top1_is_a_minimum(limit: str, status: str) -> None:
    assert check(f'accuracy_top1 = "{limit}"', accuracy=accuracy()).status == status


def test_no_accuracy_is_unmeasured() -> None:
    assert check('accuracy_drop = "1 pt"').status == "unmeasured"
    assert check('accuracy_top1 = "1 %"').status == "unmeasured"
    no_reference = accuracy(drop_points=None, drop_ci95=None)
    assert check('accuracy_drop = "1 pt"', accuracy=no_reference).status == "unmeasured"
    assert check('agreement = "1 %"', accuracy=accuracy(agreement=None)).status == "unmeasured"


@pytest.mark.parametrize(
    "changes",
    [
        {"drop_points": float("nan")}, {"drop_ci95": [1.0]}, {"drop_ci95": [0.9, 0.1]},
        {"drop_ci95": "wide"}, {"drop_points": "little"},
    ],
)  # fmt: skip
def test_an_accuracy_that_makes_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        check('accuracy_drop = "1 pt"', accuracy=accuracy(**changes))


def test_an_accuracy_of_unknown_evidence_does_not_pass() -> None:
    found = check('accuracy_drop = "5 pt"', accuracy=accuracy(evidence="unknown"))
    assert found.status == "unmeasured"


def test_an_accuracy_of_another_model_is_refused() -> None:
    budget = parse_budget('[limits]\nsize = "5 MB"')
    with pytest.raises(BadInputError, match="another model"):
        judge(made_up(), budget, accuracy(model={"sha256": "cd" * 32}))
    assert judge(made_up(), budget, accuracy()).passed


@pytest.mark.parametrize("model", [None, "ab" * 32, {}, {"sha256": None}, {"sha256": ""}])
def test_an_accuracy_that_names_no_model_is_refused(model: object) -> None:
    budget = parse_budget('[limits]\nsize = "5 MB"')
    with pytest.raises(BadInputError, match=r"model\.sha256"):
        judge(made_up(), budget, accuracy(model=model))


@pytest.mark.parametrize(
    "changes", [{"format": "edge-deploy measurement"}, {"version": 2}, {"evidence": "guessed"}]
)
def test_an_accuracy_that_is_something_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        check('accuracy_drop = "5 pt"', accuracy=accuracy(**changes))


def test_several_measurements_are_judged_on_the_worst() -> None:
    budget = parse_budget('[limits]\nlatency_p50 = "15 ms"\nload = "8 ms"')
    fast, slow = made_up([10.0] * 300), made_up([20.0] * 300, load_ms=1.0)
    for order in itertools.permutations((fast, slow)):
        verdict = judge(order, budget)
        assert [c.status for c in verdict.checks] == ["fail", "pass"]
        assert [c.value for c in verdict.checks] == [20.0, 7.5]


def test_the_worst_measurement_is_chosen_in_the_order_of_the_verdict() -> None:
    # One is inconclusive, the other unmeasured: the check says the same as a verdict of both.
    few, other = made_up([10.0] * 5), made_up([10.0] * 300, device="pixel-4")
    budget = parse_budget('device = "local"\n[limits]\nlatency_p50 = "1 s"')
    other = replace(other, device={**other.device, "target": "pixel-4"})
    for order in itertools.permutations((few, other)):
        assert judge(order, budget).status == "inconclusive"


def test_different_models_are_refused() -> None:
    other = made_up(model=ModelIdentity("other.tflite", "cd" * 32, 1))
    with pytest.raises(BadInputError, match="different models"):
        judge([made_up(), other], parse_budget('[limits]\nsize = "5 MB"'))
    with pytest.raises(BadInputError, match="no measurement"):
        judge([], parse_budget('[limits]\nsize = "5 MB"'))


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (['size = "5 MB"'], "pass"),
        (['size = "5 MB"', 'accuracy_drop = "1 pt"'], "unmeasured"),
        (['size = "5 MB"', 'latency_p50 = "10.5 ms"', 'accuracy_drop = "1 pt"'], "inconclusive"),
        (['size = "1 MB"', 'latency_p50 = "10.5 ms"', 'accuracy_drop = "1 pt"'], "fail"),
    ],
)
def test_the_verdict_is_its_worst_check(limits: list[str], status: str) -> None:
    verdict = judge(made_up(SPREAD), parse_budget("[limits]\n" + "\n".join(limits)))
    assert verdict.status == status
    assert verdict.passed == (status == "pass")


# Sustained runs, and runs that are void.


def test_a_sustained_run_is_judged_on_its_last_part() -> None:
    hot = sustained(last_ms=[12.0] * 100)
    assert check('sustained_p90 = "12 ms"', sustained=hot).status == "pass"
    assert check('sustained_p90 = "11.9 ms"', sustained=hot).status == "fail"
    spread = sustained(last_ms=SPREAD)
    assert check('sustained_p90 = "11.7 ms"', sustained=spread).status == "inconclusive"
    assert check('sustained_p90 = "1 s"', sustained=sustained(last_ms=[1.0])).status == (
        "inconclusive"
    )


@pytest.mark.parametrize("limit", ["1.2", '"1.2x"', '"1.2"'])
def test_a_slowdown_is_a_ratio(limit: str) -> None:
    assert check(f"slowdown = {limit}", sustained=sustained()).status == "pass"
    found = check(f"slowdown = {limit}", sustained=sustained(last_ms=[13.0] * 100))
    assert (found.status, found.value, found.unit) == ("fail", pytest.approx(1.3), "x")


@pytest.mark.parametrize("metric", ['sustained_p90 = "1 s"', "slowdown = 9"])
def test_without_a_sustained_run_its_limits_are_unmeasured(metric: str) -> None:
    found = check(metric)
    assert found.status == "unmeasured"
    assert "--sustained" in found.reason


VOID = ("the board reported under-voltage",)


@pytest.mark.parametrize(
    "limit",
    [
        'latency_p50 = "1 h"', 'latency_p90 = "1 h"', 'latency_p99 = "1 h"', 'load = "1 h"',
        'first_inference = "1 h"', 'sustained_p90 = "1 h"', "slowdown = 9",
        'energy_per_inference = "9 J"',
    ],
)  # fmt: skip
def test_a_void_run_passes_no_time(limit: str) -> None:
    found = check(limit, void=VOID, sustained=sustained())
    assert (found.status, found.value) == ("void", None)
    assert "under-voltage" in found.reason
    assert "measure again" in found.reason


def test_a_void_run_has_a_size_all_the_same() -> None:
    assert check('size = "5 MB"', void=VOID).status == "pass"
    assert check('peak_memory = "20 MB"', void=VOID).status == "pass"


def test_a_verdict_with_a_void_check_is_void() -> None:
    budget = parse_budget('[limits]\nsize = "5 MB"\nlatency_p50 = "1 h"')
    verdict = judge(made_up(void=VOID), budget)
    assert (verdict.status, verdict.passed) == ("void", False)
    assert b'errors="1"' in to_junit(verdict)
    # Two runs, one of them void: the void one counts.
    assert judge([made_up(), made_up(void=VOID)], budget).status == "void"


@pytest.mark.parametrize("metric", ["energy_per_inference", "battery_per_1000", "hours_continuous"])
@pytest.mark.parametrize("watts", ["user", "measured"])
def test_energy_over_an_emulators_time_is_simulated(metric: str, watts: str) -> None:
    """The user's watts are real, and what is worked out from them is not."""
    bound = {
        "energy_per_inference": '"1 J"',
        "battery_per_1000": '"99 %"',
        "hours_continuous": '"1 min"',
    }
    limits = f"{metric} = {bound[metric]}"
    battery = '\n[battery]\ncapacity = "5000 mAh"\nvoltage = "3.7 V"'
    energy = predicted_energy(replace(user_power(2.0, 4.0), evidence=watts), 10.0)
    for evidence, status in (("measured", "pass"), ("simulated", "unmeasured")):
        found = made_up(evidence=evidence, energy=energy)
        check = judge(found, parse_budget(f"[limits]\n{limits}{battery}")).checks[0]
        assert check.status == status, check
    assert check.evidence == "simulated"
    assert check.value is not None
    allowed = parse_budget(f'allow = ["simulated"]\n[limits]\n{limits}{battery}')
    assert judge(found, allowed).checks[0].status == "pass"


def test_predicted_energy_over_an_emulators_time_needs_leave_for_both() -> None:
    limit = 'energy_per_inference = "1 J"'
    for leave, named in (
        ("", "predicted"),
        ('"predicted"', "simulated"),
        ('"simulated"', "predicted"),
    ):
        found = check(limit, f"allow = [{leave}]", evidence="simulated", energy=PREDICTED)
        assert (found.status, found.evidence) == ("unmeasured", "predicted")
        assert f"the figure is {named}," in found.reason
    both = 'allow = ["simulated", "predicted"]'
    assert check(limit, both, evidence="simulated", energy=PREDICTED).status == "pass"


@pytest.mark.parametrize(
    ("device", "architecture"),
    [
        ({"machine": "aarch64", "userland_bits": 64}, "aarch64"),
        ({"machine": "aarch64", "userland_bits": 32}, "armv7l"),
        ({}, None),
    ],
)
def test_a_verdict_says_of_which_architecture_it_is(
    device: dict[str, Any], architecture: str | None
) -> None:
    found = made_up()
    found = replace(found, device={**found.device, **device})
    verdict = judge(found, parse_budget('[limits]\nsize = "5 MB"'))
    assert verdict.to_json()["architecture"] == architecture
