"""Better, same or worse, and nothing called worse inside the noise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_deploy_runner.bench.records import Measurement, ModelIdentity
from edge_deploy_runner.bench.run_spec import RunSpec
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.json_reader import read_json_object
from measurements import made_up
from small_models import float_model

from edge_deploy.changes import Comparison, memory_change
from edge_deploy.comparing import ROUNDS, compare_accuracies, compare_measurements, diff


def noisy(middle_ms: float, count: int = 400, seed: int = 1, **changes: Any) -> Measurement:
    random = np.random.default_rng(seed)
    return made_up(list(random.normal(middle_ms, middle_ms * 0.02, count)), **changes)


def status(comparison: Comparison, metric: str) -> str:
    return next(change.status for change in comparison.changes if change.metric == metric)


def test_the_same_twice_is_the_same() -> None:
    found = compare_measurements(noisy(10), noisy(10, seed=2))
    assert found.status == "same"
    assert all(change.is_clear for change in found.changes)


@pytest.mark.parametrize(("middle", "expected"), [(10.1, "same"), (11.0, "worse"), (9.0, "better")])
def test_latency_beyond_the_noise(middle: float, expected: str) -> None:
    found = compare_measurements(noisy(10), noisy(middle, seed=2))
    assert status(found, "latency_p50") == expected
    assert found.status == expected


def test_a_wider_noise_floor_forgives_more() -> None:
    assert compare_measurements(noisy(10), noisy(11), noise=0.2).status == "same"


def test_too_few_runs_cannot_tell() -> None:
    found = compare_measurements(noisy(10, count=5), noisy(20, count=5))
    change = next(c for c in found.changes if c.metric == "latency_p50")
    assert (change.status, change.is_clear, change.ci95) == ("same", False, None)


def test_size_and_memory() -> None:
    bigger = made_up(model=ModelIdentity("new", "cd" * 32, 4_000_000), peak_memory_bytes=21_500_000)
    found = compare_measurements(made_up(), bigger)
    assert status(found, "size") == "worse"
    assert status(found, "peak_memory") == "worse"
    slightly = made_up(peak_memory_bytes=20_500_000)
    assert status(compare_measurements(made_up(), slightly), "peak_memory") == "same"


def test_memory_of_the_same_model_is_the_same() -> None:
    random = np.random.default_rng(7)
    for middle in (0.0, 200e3, 6e6, 80e6):
        for _ in range(500):
            # A fresh process now and then holds some pages more.
            spread = max(150e3, 0.02 * middle)
            old, new = (
                np.maximum(0, middle + random.normal(0, spread, ROUNDS)).tolist() for _ in range(2)
            )
            assert memory_change(old, new).status == "same"


@pytest.mark.parametrize(
    ("old", "new", "expected", "is_clear"),
    [
        ([10e6] * 4, [11e6] * 4, "worse", True),
        ([11e6] * 4, [10e6] * 4, "better", True),
        ([10e6] * 4, [10.4e6] * 4, "same", True),  # inside both floors
        ([2e6] * 4, [2.5e6] * 4, "same", True),  # a quarter more, but inside 512 kB
        ([100e6] * 4, [104e6] * 4, "same", True),  # 4 MB more, but inside 5%
        ([10e6] * 4, [11e6, 11e6, 11e6, 10.1e6], "same", False),  # one process says otherwise
        ([10e6, 10e6, 10e6, 11e6], [10e6] * 4, "same", False),
        ([0.0] * 4, [0.3e6] * 4, "same", True),
        ([0.0] * 4, [3e6] * 4, "worse", True),
        ([3e6] * 4, [0.0] * 4, "better", True),
        ([20e6], [21.5e6], "worse", True),
    ],
)
def test_memory_must_leave_both_floors(
    old: list[float], new: list[float], expected: str, is_clear: bool
) -> None:
    change = memory_change(old, new)
    assert (change.status, change.is_clear) == (expected, is_clear)
    if change.ci95 is not None and change.ratio is not None:
        assert change.ci95[0] <= change.ratio <= change.ci95[1]


def test_other_settings_are_said() -> None:
    found = compare_measurements(made_up(), made_up(spec=RunSpec(threads=4)))
    assert any("threads" in text for text in found.warnings)


def test_two_devices_are_refused() -> None:
    with pytest.raises(BadInputError, match="one device"):
        compare_measurements(made_up(), made_up(device="raspberry-pi-5"))
    with pytest.raises(BadInputError, match="one device"):
        compare_measurements(made_up(), made_up(evidence="simulated"))


def test_a_board_is_the_same_after_its_owner_has_calibrated_it() -> None:
    board = {"board": "Raspberry Pi 4 Model B Rev 1.5"}
    before, after = (
        replace(made_up(), device={**made_up(device=device_id).device, **board})
        for device_id in ("raspberry-pi-4b", "my-pi")
    )
    assert compare_measurements(before, after).status == "same"
    for other in (
        replace(after, device={**after.device, "board": "Raspberry Pi 4 Model B Rev 1.2"}),
        replace(after, evidence="simulated"),
    ):
        with pytest.raises(BadInputError, match="one device"):
            compare_measurements(before, other)


def test_two_phones_are_refused_and_ways_to_run_are_said() -> None:
    phone = {"id": "android", "manufacturer": "Google", "model": "Pixel 8", "mode": "shell"}

    def on(**changes: str) -> Measurement:
        return replace(made_up(), device={**phone, **changes})

    with pytest.raises(BadInputError, match=r"Google Pixel 8.* and .*Google Pixel 9"):
        compare_measurements(on(), on(model="Pixel 9"))
    assert compare_measurements(on(), on(serial="another")).warnings == ()
    said = compare_measurements(on(), on(mode="app", cpus="big cores 4-7")).warnings
    assert said == (
        "the ways to run differ: shell and app", "the cores differ: any and big cores 4-7",
    )  # fmt: skip


def accuracy(top1: float, samples: int = 2000, **more: Any) -> dict[str, Any]:
    return {"samples": samples, "top1": top1, "top5": 0.99, **more}


@pytest.mark.parametrize(
    ("top1", "expected"), [(0.94, "same"), (0.935, "same"), (0.85, "worse"), (0.99, "better")]
)
def test_accuracies(top1: float, expected: str) -> None:
    assert compare_accuracies(accuracy(0.94), accuracy(top1)).status == expected


def test_few_samples_prove_nothing() -> None:
    assert compare_accuracies(accuracy(1.0, 10), accuracy(0.8, 10)).status == "same"
    with pytest.raises(BadInputError):
        compare_accuracies(accuracy(1.0, 0), accuracy(1.0, 10))


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "m.json", made_up().to_json())
    two = write(tmp_path / "a.json", accuracy(0.9))
    with pytest.raises(BadInputError, match="two of a kind"):
        diff(one, two)
    assert diff(one, one).kind == "measurement"
    assert diff(two, two).kind == "accuracy"


def test_accuracies_with_and_without_a_format(tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", accuracy(0.9))
    named = {"format": "edge-deploy accuracy", "version": 1, **accuracy(0.9)}
    new = write(tmp_path / "new.json", named)
    assert diff(old, new).kind == "accuracy"
    later = write(tmp_path / "later.json", {**named, "version": 2})
    with pytest.raises(BadInputError, match=r"later\.json has version 2"):
        diff(old, later)
    other = write(tmp_path / "other.json", {**named, "format": "edge-deploy verdict"})
    with pytest.raises(BadInputError, match="neither"):
        diff(other, other)


@pytest.mark.parametrize("content", [b"", b"{}", b"{", b"\x89PNG\r\n\x1a\n", b"[1]"])
def test_files_that_are_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError):
        diff(path, path)


def test_missing_files_and_bad_noise(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        diff(tmp_path / "old", tmp_path / "new")
    one = write(tmp_path / "m.json", made_up().to_json())
    for noise in (-0.1, float("nan"), 1.0):
        with pytest.raises(BadInputError, match="noise"):
            diff(one, one, noise=noise)


def test_two_networks_are_told(tmp_path: Path) -> None:
    small, large = tmp_path / "small.tflite", tmp_path / "large.tflite"
    small.write_bytes(float_model(16))
    large.write_bytes(float_model(24))
    warned = " ".join(diff(small, large, threads=1).warnings)
    assert "the inputs differ" in warned
    assert "two networks" in warned
    assert not any("networks" in text for text in diff(small, small, threads=1).warnings)


def test_a_model_is_no_measurement(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(float_model(16))
    with pytest.raises(BadInputError, match="is a model, not a JSON file; name what a command"):
        read_json_object(model)
