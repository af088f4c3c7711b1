"""Energy of simulated phones: the interval holds the truth, or there is none and it says why."""

from __future__ import annotations

import math
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import skip_or_fail
from edge_deploy_android.adb import Completed
from edge_deploy_android.power import (
    Window,
    WindowPlan,
    measure_power,
    parse_samples,
    parse_windows,
    plan_windows,
    power_log,
    supply_refusal,
)
from edge_deploy_android.power.sampling import sampler_argv
from edge_deploy_android.power.units import (
    NotMeasurable,
    direction,
    discharge_sign,
    unit_scale,
    volts_per_unit,
)
from edge_deploy_android.telemetry import parse_battery
from edge_deploy_runner.bench.records import Energy
from edge_deploy_runner.errors import DeviceError, UsageError
from edge_deploy_runner.machine.power_log import CounterSlice, PowerLog
from phone_outputs import said
from simulated_battery import Maker, Work, simulate

from edge_deploy.energy import counted_energy

SEEDS = 30
AOSP = Maker()
# Discharge is positive and in mA, and the charge counter says 0.
SAMSUNG = Maker(current_per_a=1e3, charge_per_c=0.0)
SILENT_CURRENT = replace(AOSP, current_per_a=0.0)


def energy_of(log: PowerLog) -> Energy:
    if log.reason:
        return Energy("unknown", reason=log.reason)
    return counted_energy(list(log.counter), log.meter, log.resolution_uj, log.evidence)


def measured(maker: Maker, work: Work = Work(), seed: int = 0, pairs: int = 4) -> Energy:  # noqa: B008
    text, windows = simulate(maker, work, seed, pairs=pairs)
    return energy_of(power_log(parse_samples(text), windows, 2.0))


def truth_mj(maker: Maker, work: Work) -> float:
    """The windows of load lie evenly in the drift, so it adds half of itself."""
    return work.mj_per_run * (maker.rails_share or 1) * (1 + work.drift / 2)


CONVENTIONS = {
    "rails": (Maker(rails_share=0.7), "3 power rails"),
    "uA below 0, uAh down": (AOSP, "charge counter (dumpsys battery; in uAh, counting down"),
    "uAh in steps of 100": (replace(SILENT_CURRENT, charge_step=100), "in steps of 100"),
    "uAh in steps of 1000": (replace(SILENT_CURRENT, charge_step=1000), "in steps of 1000"),
    "mAh counting up": (
        Maker(current_per_a=0, charge_per_c=1 / 3.6, charge_counts_up=True),
        "in mAh, counting up",
    ),
    "refreshed every 10 s": (replace(SILENT_CURRENT, refreshed_every_s=10), "charge counter"),
    "mA above 0": (SAMSUNG, "in mA, above 0"),
    "uA, refreshed every 3 s": (
        replace(SAMSUNG, current_per_a=-1e6, current_every_s=3), "in uA, below 0",
    ),
    "mA, behind by 5 s": (replace(SAMSUNG, current_lag_s=5), "in mA, above 0"),
    "mA, behind by 10 s": (replace(SAMSUNG, current_lag_s=10), "in mA, above 0"),
    "uV": (replace(SAMSUNG, volts_unit=1e6), "in mA, above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_interval_holds_the_truth(name: str) -> None:
    maker, words = CONVENTIONS[name]
    work = Work()
    held = widths = 0.0
    for seed in range(SEEDS):
        found = measured(maker, work, seed)
        assert found.evidence == "measured", found.reason
        assert words in found.source
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth_mj(maker, work) <= found.high
        widths += (found.high - found.low) / 2 / truth_mj(maker, work)
    assert held >= 0.9 * SEEDS
    assert widths / SEEDS < 0.3


@pytest.mark.parametrize(
    "work",
    [
        Work(idle_w=0.3, load_w=1.0),
        Work(load_w=9.0, run_s=0.2),
        Work(noise=0.2),
        Work(drift=0.3),
        Work(tail=0.4),
    ],
    ids=["weak", "strong", "noisy", "drifting", "slow to rest"],
)
@pytest.mark.parametrize("pairs", [3, 6])
def test_the_interval_holds_the_truth_of_other_work(work: Work, pairs: int) -> None:
    held = 0
    for seed in range(SEEDS):
        found = measured(AOSP, work, seed, pairs)
        held += found.low is None or (found.low <= truth_mj(AOSP, work) <= (found.high or 0))
    assert held >= 0.9 * SEEDS


NOT_MEASURABLE = {
    "on USB": (replace(AOSP, plugged="USB"), "plugged in (USB); use adb over Wi-Fi"),
    "on a charger": (replace(AOSP, plugged="AC", rails_share=0.7), "plugged in (AC)"),
    "charging": (replace(AOSP, status=2), "it says that it is charging"),
    "charging unseen": (replace(AOSP, rising=True), "rose from 60%"),
    "zeros": (Maker(current_per_a=0, charge_per_c=0), "charge counter is always 0"),
    "too coarse": (replace(SILENT_CURRENT, charge_step=10_000), "moves by 10000 uAh at a time"),
    "refreshed each minute": (replace(SILENT_CURRENT, refreshed_every_s=60), "every 60 s"),
    "trails behind": (replace(SAMSUNG, current_lag_s=30), "trails behind the load"),
    "twice the current": (replace(AOSP, current_per_a=-2e6), "counters disagree: 3."),
    "rails above battery": (Maker(rails_share=1.8), "by power rails, 3."),
    "no unit": (replace(SAMSUNG, current_per_a=20.0), "makes no sense for a phone"),
    "no voltage": (replace(AOSP, volts_unit=0.0), "its voltage is always 0"),
}


@pytest.mark.parametrize("name", NOT_MEASURABLE)
def test_what_cannot_be_measured_says_why(name: str) -> None:
    maker, words = NOT_MEASURABLE[name]
    for seed in range(5):
        found = measured(maker, seed=seed)
        assert found.evidence == "unknown"
        assert found.mj_per_inference is None
        assert words in found.reason
        assert "not measurable on this phone" in found.reason


def test_a_full_battery_that_is_unplugged_is_measured() -> None:
    assert measured(replace(AOSP, status=5)) == measured(AOSP)
    assert measured(AOSP).mj_per_inference is not None


def test_both_figures_are_shown_where_counters_disagree() -> None:
    reason = measured(replace(AOSP, current_per_a=-2e6)).reason
    assert "W under load by charge counter" in reason
    assert "W by current x voltage" in reason


def test_coarse_steps_are_told_by_how_much_the_model_takes() -> None:
    coarse = replace(SILENT_CURRENT, charge_step=1000)
    found = measured(coarse, Work(idle_w=0.9, load_w=1.05))
    assert found.evidence == "unknown"
    assert "moves by 1000 uAh at a time" in found.reason


def test_a_model_that_takes_nothing_is_unknown() -> None:
    for maker in (AOSP, SAMSUNG):
        found = measured(maker, Work(idle_w=1.0, load_w=1.0))
        assert found.evidence == "unknown"


def test_a_second_counter_serves_where_the_first_is_useless() -> None:
    found = measured(replace(AOSP, charge_step=20_000))
    assert found.evidence == "measured"
    assert "the battery's current (cmd battery get; in uA" in found.source
    assert "4 idle and load windows of 60 s in turn, idle subtracted" in found.source


def test_a_phone_that_sleeps_between_looks() -> None:
    text, windows = simulate(AOSP, Work(), 1)
    looks = [f"#edge-deploy look{part}" for part in text.split("#edge-deploy look")[1:]]
    found = power_log(parse_samples("".join(looks[:60] + looks[90:])), windows, 2.0)
    assert "did not answer for" in found.reason
    few = power_log(parse_samples("".join(looks[::12])), windows, 24.0)
    assert "fewer than 4 looks" in few.reason
    assert "battery service does not answer" in power_log((), windows, 2.0).reason


def test_looks_that_were_cut_or_changed_on_the_way() -> None:
    text, windows = simulate(Maker(rails_share=0.7), Work(), 2)
    samples = parse_samples(text)
    assert parse_samples(text.replace("\n", "\r\n")) == samples
    assert parse_samples("#edge-deploy look 12.5\nlevel: 3\n") == ()
    assert parse_samples("#edge-deploy look x\n#edge-deploy done 3\n") == ()
    assert parse_samples(text[: len(text) // 2])[:10] == samples[:10]
    assert len(samples) > 250
    assert samples[0].rails is not None
    assert power_log(samples, windows, 2.0).counter


def test_the_supply_is_looked_at_before_minutes_are_spent() -> None:
    assert supply_refusal(None) == "its battery service does not answer"
    for name, words in (
        ("battery_android8", "plugged in (USB)"),
        ("battery_faked", "dumpsys battery reset"),
    ):
        refusal = supply_refusal(parse_battery(said(name)))
        assert refusal is not None
        assert words in refusal
    gone = parse_battery(said("battery_pixel").replace("present: true", "present: false"))
    assert supply_refusal(gone) == "it has no battery"
    assert supply_refusal(parse_battery(said("battery_pixel"))) is None


def test_units_and_signs() -> None:
    assert volts_per_unit([3912, 3911]) == 1e-3
    assert volts_per_unit([3_912_000]) == 1e-6
    assert volts_per_unit([0, 4]) == 1.0
    for values in ([], [0], [50], [20_000]):
        with pytest.raises(NotMeasurable):
            volts_per_unit(values)
    units = (("uA", 1.0), ("mA", 1e3))
    assert unit_scale(0.9, 3.0, "current", units) == "uA"
    assert unit_scale(0.0009, 0.003, "current", units) == "mA"
    for idle_w, load_w in ((900.0, 3000.0), (1e-6, 3e-6), (0.001, 3.0), (-1.0, 3.0)):
        with pytest.raises(NotMeasurable, match="makes no sense"):
            unit_scale(idle_w, load_w, "current", units)
    with pytest.raises(NotMeasurable, match="cannot be told"):
        unit_scale(0.1, 1.0, "current", (("a", 1.0), ("b", 2.0)))
    assert direction([-3, 0, -2], "counter") == -1
    assert direction([3, 0, 2], "counter") == 1
    with pytest.raises(NotMeasurable, match="stands still"):
        direction([0, 0], "counter")
    with pytest.raises(NotMeasurable, match="goes up by 3 and down by 2"):
        direction([3, -2], "counter")
    assert discharge_sign([-5, -4, 0]) == -1
    with pytest.raises(NotMeasurable, match="always 0"):
        discharge_sign([0, 0])
    with pytest.raises(NotMeasurable, match="changes sign"):
        discharge_sign([-5, 4])


def test_windows_are_those_that_were_asked_for() -> None:
    plan = plan_windows(3, 60)
    assert [window.kind for window in plan] == ["idle", "load"] * 3 + ["idle"]
    document = {
        "windows": [
            {"kind": window.kind, "begin_s": 100.0 + 61 * index, "end_s": 160.0 + 61 * index,
             "runs": 900 if window.kind == "load" else 0}
            for index, window in enumerate(plan)
        ]
    }  # fmt: skip
    found = parse_windows(document, plan)
    assert found[1] == Window("load", 161.0, 221.0, 900)
    for change, words in (
        (lambda windows: windows.pop(), "other windows"),
        (lambda windows: windows[2].update(begin_s=0.0), "overlap"),
        (lambda windows: windows[1].update(runs=0), "did not run once"),
    ):
        spoiled = {"windows": [dict(window) for window in document["windows"]]}
        change(spoiled["windows"])
        with pytest.raises(DeviceError, match=words):
            parse_windows(spoiled, plan)
    for pairs, seconds in ((2, 60.0), (3, 0.0), (3, math.nan)):
        with pytest.raises(UsageError):
            plan_windows(pairs, seconds)


def test_the_interval_of_a_coarse_counter() -> None:
    idle = CounterSlice(60_000_000, 60.0)
    loads = [CounterSlice(joules * 1_000_000, 60.0, 1000) for joules in (180, 180, 180)]
    exact = counted_energy([(idle, load) for load in loads], "a counter", 0.0)
    assert (exact.mj_per_inference, exact.low, exact.high) == (120.0, 120.0, 120.0)
    assert (exact.gross_mj_per_inference, exact.idle_w, exact.load_w) == (180.0, 1.0, 3.0)
    coarse = counted_energy([(idle, load) for load in loads], "a counter", 30e6)
    assert coarse.low == pytest.approx(120 - 30 / 3**0.5)
    assert "give or take" in counted_energy([(idle, loads[0])] * 3, "a counter", 300e6).reason
    assert counted_energy([(idle, loads[0])], "a counter", 0.0).evidence == "unknown"


class Phone:
    """A phone that discharges, by the text that its sampler would have printed."""

    def __init__(self, samples: str, battery: str = "battery_pixel", awake: str = "Asleep") -> None:
        self.samples, self.battery, self.awake = samples, said(battery), awake
        self.settings = {"screen_off_timeout": "30000", "screen_brightness_mode": "1"}
        self.asked: list[tuple[str, ...]] = []
        self.stop = threading.Event()

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = 60.0, hold_stdin: bool = False
    ) -> Completed:
        self.asked.append(tuple(argv))
        said_back = ""
        match list(argv):
            case ["dumpsys", "battery"]:
                said_back = self.battery
            case ["settings", "get", "system", name]:
                said_back = self.settings.get(name, "null") + "\n"
            case ["settings", "put", "system", name, value]:
                self.settings[name] = value
            case ["settings", "delete", "system", name]:
                del self.settings[name]
            case ["input", "keyevent", "224"]:
                self.awake = "Awake"
            case ["input", "keyevent", "223"]:
                self.awake = "Asleep"
            case ["touch", _]:
                self.stop.set()
            case ["sh", "-c", _, "sampler", *_]:
                assert hold_stdin
                assert self.stop.wait(30)
                said_back = self.samples
            case ["sh", "-c", script] if "mWakefulness" in script:
                said_back = f"  mWakefulness={self.awake}\n"
            case ["dumpsys" | "lshal", *_]:
                return Completed(1, b"", "Can't find service")
        return Completed(0, said_back.encode(), "")


def test_a_measurement_puts_back_what_it_changed() -> None:
    text, windows = simulate(SAMSUNG, Work(), 3)
    phone = Phone(text)
    undo: list[tuple[str, ...]] = []
    before = dict(phone.settings)

    def run_windows(plan: Sequence[WindowPlan]) -> Sequence[Window]:
        assert [window.kind for window in plan] == [window.kind for window in windows]
        assert phone.awake == "Awake"
        assert int(phone.settings["screen_off_timeout"]) > sum(w.seconds for w in plan) * 1000
        return windows

    def on_undo(argv: Sequence[str]) -> None:
        undo.append(tuple(argv))
        phone.asked.append(("undo",))

    log = measure_power(phone, run_windows, folder="/data/x", on_undo=on_undo)
    assert energy_of(log).evidence == "measured"
    # Each undoing is known before its change is made.
    changes = [argv[0] for argv in phone.asked if argv[0] in ("undo", "input") or "put" in argv]
    assert changes == ["undo", "input", "undo", "settings", "undo", "settings"]
    assert log.interval_s == 2.0
    for argv in reversed(undo):
        phone.run(argv)
    assert (phone.settings, phone.awake) == (before, "Asleep")


def test_a_setting_that_was_never_made_is_unmade() -> None:
    text, windows = simulate(SAMSUNG, Work(), 3)
    phone = Phone(text, awake="Awake")
    phone.settings = {}
    undo: list[tuple[str, ...]] = []
    measure_power(
        phone, lambda _: windows, folder="/x", on_undo=lambda argv: undo.append(tuple(argv))
    )
    assert undo == [("settings", "delete", "system", "screen_off_timeout")]


def test_a_plugged_phone_is_left_alone() -> None:
    phone = Phone("", "battery_android8")

    def refuse(_: Sequence[str]) -> None:
        raise AssertionError("something was changed")

    log = measure_power(phone, lambda _: (), folder="/x", on_undo=refuse)
    assert "plugged in (USB)" in log.reason
    assert "adb tcpip 5555" in log.reason
    assert phone.asked == [("dumpsys", "battery")]


def test_a_screen_that_went_off_spoils_the_readings() -> None:
    text, windows = simulate(SAMSUNG, Work(), 3)
    phone = Phone(text, awake="Awake")

    def run_windows(_: Sequence[WindowPlan]) -> Sequence[Window]:
        phone.awake = "Asleep"
        return windows

    log = measure_power(phone, run_windows, folder="/x", on_undo=lambda _: None)
    assert "screen went off" in log.reason


def test_the_sampler_ends_with_the_run_that_failed() -> None:
    phone = Phone("", awake="Awake")

    def run_windows(_: Sequence[WindowPlan]) -> Sequence[Window]:
        raise DeviceError("the phone is gone")

    with pytest.raises(DeviceError, match="the phone is gone"):
        measure_power(phone, run_windows, folder="/x", on_undo=lambda _: None)
    assert phone.stop.is_set()


@pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="needs a Linux kernel's clock")
@pytest.mark.parametrize("shell", ["sh", "mksh"])
def test_the_loop_of_the_sampler_runs_in_a_shell(tmp_path: Path, shell: str) -> None:
    """On this computer's own shell: no battery service here, but clock, stop file and rails."""
    if shutil.which(shell) is None:
        skip_or_fail("android", f"{shell} is not installed")
    folder = tmp_path / "it's a $(run)"
    folder.mkdir()
    rails = tmp_path / "rails.txt"
    rails.write_text(said("rails_hal2"))
    argv = sampler_argv(str(folder), 30, 0.05, ("cat", str(rails)))
    child = subprocess.Popen([shell, *argv[1:]], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        first = ""
        while first.count("#edge-deploy done") < 3:
            first += child.stdout.readline()
        (folder / "stop-sampling").touch()
        rest, _ = child.communicate(timeout=20)
    finally:
        child.kill()
    samples = parse_samples(first + rest)
    metered = [sample.rails for sample in samples if sample.rails is not None]
    assert len(samples) >= 3
    assert metered[0].total_uj == 2_542_666_600
    with open("/proc/uptime", encoding="utf-8") as file:
        assert samples[-1].end_s <= float(file.read().split()[0])
    folder_gone = sampler_argv(str(tmp_path / "gone"), 30, 0.05)
    assert subprocess.run(folder_gone, capture_output=True, timeout=20, check=False).stdout == b""
