"""Which coefficients answer for a run: what was asked for, never something near it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError, UsageError
from known_devices import latency, write_device

from edge_deploy.catalogue import DeviceProfile, device_profile, parse_profile
from edge_deploy.prediction.choosing import choose, runtime_age, same_runs, scaled_from
from edge_deploy.prediction.latency.model import LatencyModel


def device(tmp_path: Path, *models: LatencyModel, kind: str = "board") -> DeviceProfile:
    path = write_device(tmp_path, models, kind=kind)
    return parse_profile(path.read_text(), "test-board", str(path))


def test_the_most_threads_up_to_four_are_the_default(tmp_path: Path) -> None:
    found = device(tmp_path, *(latency(threads=number) for number in (1, 2, 4, 8)))
    assert choose(found, "float32")[0].threads == 4
    assert choose(found, "float32", threads=8)[0].threads == 8
    few = device(tmp_path, latency(threads=1), latency(threads=2))
    assert choose(few, "float32")[0].threads == 2
    many = device(tmp_path, latency(threads=8), latency(threads=6))
    assert choose(many, "float32")[0].threads == 6


def test_the_users_own_times_come_first_then_the_newest_runtime(tmp_path: Path) -> None:
    old, new = latency(runtime="TFLite 2.5"), latency(runtime="TFLite 2.18")
    found = device(tmp_path, old, new)
    assert choose(found, "float32")[0].runtime == "TFLite 2.18"
    own = latency(runtime="TFLite 2.5", standing="measured", source="my board")
    assert choose(device(tmp_path, new, own), "float32")[0].source == "my board"
    assert choose(found, "float32", runtime="TFLite 2.5")[0].runtime == "TFLite 2.5"
    assert choose(found, "float32", runtime="2.18")[0].runtime == "TFLite 2.18"


@pytest.mark.parametrize("name", ["TFLite 3", "TFLite 2"])
def test_a_runtime_without_times_lists_those_that_have_some(tmp_path: Path, name: str) -> None:
    found = device(tmp_path, latency(runtime="TFLite 2.5"), latency(runtime="TFLite 2.18"))
    with pytest.raises(UsageError, match=r"--runtime-version TFLite .: .*TFLite 2.18, TFLite 2.5"):
        choose(found, "float32", runtime=name)


@pytest.mark.parametrize("part", ["2.1", "18", "8", "20", "", " "])
def test_a_part_of_a_number_is_no_part_of_a_runtimes_name(tmp_path: Path, part: str) -> None:
    found = device(tmp_path, latency(runtime="TFLite 2.18, 2024"))
    with pytest.raises(UsageError, match=r"none of them is that; .* of TFLite 2.18, 2024"):
        choose(found, "float32", runtime=part)
    for known in ("2", "2.18", "tflite 2", "2024"):
        assert choose(found, "float32", runtime=known)


def test_names_with_commas_are_told_apart(tmp_path: Path) -> None:
    runtimes = ("TFLite 2.5, 32-bit", "TFLite 2.5, 64-bit")
    found = device(tmp_path, *(latency(runtime=runtime) for runtime in runtimes))
    with pytest.raises(UsageError, match=r"are of TFLite 2.5, 32-bit; TFLite 2.5, 64-bit$"):
        choose(found, "float32", runtime="2.5")


def test_threads_that_were_not_fitted_are_refused(tmp_path: Path) -> None:
    found = device(
        tmp_path, latency(threads=1), latency(threads=4), latency(dtype="int8", threads=3)
    )
    with pytest.raises(UsageError, match=r"--threads 3: .* are of 1, 4 threads"):
        choose(found, "float32", threads=3)


def test_a_dtype_without_times_is_refused(tmp_path: Path) -> None:
    found = device(tmp_path, latency(), latency(dtype="int8"))
    with pytest.raises(BadInputError, match=r"no times of int16x8 models.*to float32 or int8, or"):
        choose(found, "int16x8")


def test_nothing_is_advised_that_convert_does_not_make(tmp_path: Path) -> None:
    old = device(tmp_path, latency(), latency(dtype="uint8"), kind="phone")
    with pytest.raises(BadInputError) as caught:
        choose(old, "int8")
    said = str(caught.value)
    assert "its times of uint8 are of files that are uint8 throughout, as TensorFlow 1 made" in said
    assert "convert its source to float32, or measure on the device" in said
    with pytest.raises(BadInputError, match=r"makes none; measure on the device itself"):
        choose(device(tmp_path, latency(dtype="uint8")), "int8")


def test_threads_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--threads 3: .* are of 1 thread, and"):
        choose(device(tmp_path, latency(threads=1)), "float32", threads=3)


def test_a_delegate_is_never_traded_for_another(tmp_path: Path) -> None:
    found = device(tmp_path, latency(), latency(2.0, delegate="none"))
    assert choose(found, "float32", delegate="none")[0].delegate == "none"
    assert choose(found, "float32", delegate="xnnpack")[0].delegate == "xnnpack"
    with pytest.raises(UsageError, match=r"--delegate none: .* are of xnnpack"):
        choose(device(tmp_path, latency()), "float32", delegate="none")


def test_a_device_without_times_says_how_to_get_some(tmp_path: Path) -> None:
    for kind, target in (("board", "ssh://USER@HOST"), ("computer", "local"), ("phone", "android")):
        words = f"with --device {target}, or .*calibrate --device {target} --id test-board`$"
        with pytest.raises(BadInputError, match=words):
            choose(device(tmp_path, kind=kind), "float32")


def test_a_dtype_that_the_users_own_calibration_lacks_can_be_added(tmp_path: Path) -> None:
    own = device(tmp_path, latency(standing="measured"), kind="computer")
    with pytest.raises(BadInputError, match=r"local --id test-board --dtypes uint8 --force`$"):
        choose(own, "uint8")
    with pytest.raises(BadInputError, match=r"with --device local$"):
        choose(own, "int16x8")  # which no calibration has networks of
    with pytest.raises(BadInputError, match=r"with --device ssh://USER@HOST$"):
        choose(device(tmp_path, latency()), "uint8")


def test_what_was_scaled_over_others_leads_back_to_the_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    timed = latency()
    write_device(tmp_path, [latency(threads=2), timed], "first")
    write_device(tmp_path, [replace(timed, points=(), like="first", cluster="all")], "second")
    third = replace(timed, points=(), like="second")
    found, way = scaled_from(third)
    assert (len(found.points), found.threads, way) == (8, 4, ("second", "first"))
    assert scaled_from(timed) == (timed, ())
    stranger = replace(third, like="nobody")
    assert scaled_from(stranger) == (stranger, ())
    other = replace(third, runtime="TFLite 2.5")
    assert scaled_from(other) == (other, ())


def test_a_phone_of_today_leads_back_to_the_pixel_4() -> None:
    for model in device_profile("pixel-8").latency:
        found, way = scaled_from(model)
        assert way == ("pixel-7", "pixel-6", "pixel-4")
        assert found in device_profile("pixel-4").latency


def test_a_sweep_takes_the_same_runs(tmp_path: Path) -> None:
    models = [latency(threads=number) for number in (4, 1)]
    other = latency(threads=2, runtime="TFLite 2.5")
    chosen = choose(device(tmp_path, *models, other), "float32")
    assert [model.threads for model in same_runs(chosen[0], chosen)] == [1, 4]


def test_runtimes_are_put_in_order() -> None:
    names = [
        "a benchmark of unknown age",
        "TFLite benchmark, Android 10 (~2019-20)",
        "TFLite 2.5, 32-bit",
        "TFLite 2.5",
        "TFLite 2.18 XNNPACK",
        "LiteRT 1.0",
        "ai_edge_litert 2.1.0",
    ]
    mixed = [*names[1::2], *names[::2]]
    assert sorted(mixed, key=runtime_age) == names
