"""A device file of one's own without times: the coefficients that its sibling lends it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.model_file import ModelFile
from known_devices import latency
from small_models import float_model

from edge_deploy.catalogue import all_profiles, damaged_files, device_profile, with_latency
from edge_deploy.prediction.choosing import choose, scaled_from
from edge_deploy.prediction.latency.scaling import OTHER_CORE_HALF_WIDTH, SAME_CORE_HALF_WIDTH
from edge_deploy.prediction.predicting import predict

# A Pixel 6, with its id and where it comes from changed.
PHONE = """id = "my-phone"
name = "My Phone"
kind = "phone"
soc = "Tensor G1"
like = "pixel-4"
clusters = [
    { name = "big", cores = 2, core = "Cortex-X1", max_mhz = 2802 },
    { name = "mid", cores = 2, core = "Cortex-A76", max_mhz = 2253 },
    { name = "little", cores = 4, core = "Cortex-A55", max_mhz = 1803 },
]
clusters_source = { source = "the phone", standing = "read" }
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with that phone."""
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    (tmp_path / "my-phone.toml").write_text(PHONE)
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    return ModelFile(float_model(size=64, layers=4), "m.tflite")


def test_it_is_predicted_and_labelled_as_the_catalogues_own(own: Path, model: ModelFile) -> None:
    mine, theirs = device_profile("my-phone"), device_profile("pixel-6")
    for lent, shipped in zip(mine.latency, theirs.latency, strict=True):
        assert lent.coefficients == pytest.approx(shipped.coefficients, rel=1e-5)
        assert lent.residuals == pytest.approx(shipped.residuals, rel=1e-4, abs=1e-5)
        assert lent.spread == pytest.approx(shipped.spread, rel=1e-5)
    mine_predicted, packaged = predict(model, mine), predict(model, theirs)
    assert mine_predicted.prediction is not None
    assert packaged.prediction is not None
    for key, estimate in mine_predicted.prediction.latency.items():
        there = packaged.prediction.latency[key]
        ends = (there.value, there.low, there.high)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(ends, rel=1e-4)
    one, other = mine_predicted.prediction.basis, packaged.prediction.basis
    assert one == replace(other, device="my-phone", replace_with=one.replace_with)
    assert one.standing == "guess"
    assert "the coefficients of pixel-4 times" in one.scale_note
    assert {near.device for near in one.nearest} == {"pixel-4"}
    assert any("rests on the Google Pixel 4" in text for text in mine_predicted.warnings)


def test_its_interval_is_wider_than_the_siblings(own: Path, model: ModelFile) -> None:
    def width(name: str) -> float:
        found = predict(model, device_profile(name))
        assert found.prediction is not None
        p50 = found.prediction.latency["p50"]
        assert p50.low is not None
        assert p50.high is not None
        return math.log(p50.high / p50.low)

    assert width("my-phone") > width("pixel-4")


def test_half_the_clock_takes_twice_as_long_and_the_same_cores_less_width(own: Path) -> None:
    sibling = device_profile("pixel-4").fastest_first()[0]
    text = PHONE.replace("Cortex-X1", sibling.core).replace("2802", f"{sibling.max_mhz}")
    (own / "my-phone.toml").write_text(text)
    lent = device_profile("my-phone").latency[0]
    slower = text.replace(f"max_mhz = {sibling.max_mhz}", f"max_mhz = {(sibling.max_mhz or 0) / 2}")
    assert slower != text
    (own / "my-phone.toml").write_text(slower.replace("2253", "800").replace("1803", "700"))
    half = device_profile("my-phone").latency[0]
    for name, value in lent.coefficients.items():
        assert half.coefficients[name] == pytest.approx(2 * value)
    assert "with the same cores" in half.scale_note
    (own / "my-phone.toml").write_text(PHONE)
    other = device_profile("my-phone").latency[0]
    gained = other.spread**2 - half.spread**2
    assert gained == pytest.approx(OTHER_CORE_HALF_WIDTH**2 - SAME_CORE_HALF_WIDTH**2)


def test_times_of_its_own_are_never_mixed_with_lent_ones(own: Path) -> None:
    mine = latency(threads=2, dtype="int8", cluster="big")
    (own / "my-phone.toml").write_text(with_latency(PHONE, (mine,)))
    assert [(one.dtype, one.threads) for one in device_profile("my-phone").latency] == [("int8", 2)]
    with pytest.raises(BadInputError, match="no times of float32 models on My Phone"):
        choose(device_profile("my-phone"), "float32")


def test_a_sibling_of_the_users_lends_too_and_leads_back_to_the_points(own: Path) -> None:
    first = PHONE.replace('"my-phone"', '"first"').replace('like = "pixel-4"\n', "")
    timed = latency(threads=2, cluster="big", standing="measured", p90_over_p50=(1.0, 1.2, 1.3))
    (own / "first.toml").write_text(with_latency(first, (timed,)))
    (own / "my-phone.toml").write_text(PHONE.replace('"pixel-4"', '"first"'))
    third = PHONE.replace('"my-phone"', '"third"').replace('"pixel-4"', '"my-phone"')
    (own / "third.toml").write_text(third)
    (entry,) = device_profile("third").latency
    assert (entry.points, entry.standing) == ((), "guess")
    assert entry.p90_over_p50 is None  # how times vary was measured on another device
    found, way = scaled_from(entry)
    assert (len(found.points), way) == (8, ("my-phone", "first"))


def test_without_a_clock_nothing_is_scaled_and_the_refusal_says_so(own: Path) -> None:
    (own / "my-phone.toml").write_text(PHONE.replace(", max_mhz = 2802", ""))
    profile = device_profile("my-phone")
    assert [one.name for one in profile.fastest_first()] == ["big", "mid", "little"]
    assert list(profile.latency) == []
    with pytest.raises(BadInputError) as raised:
        choose(profile, "float32")
    assert "those of pixel-4 cannot be scaled to it, as the file of my-phone does not" in str(
        raised.value
    )


def test_a_sibling_without_a_clock_is_named(own: Path) -> None:
    first = PHONE.replace('"my-phone"', '"first"').replace('like = "pixel-4"\n', "")
    first = first.replace(", max_mhz = 2802", "")
    (own / "first.toml").write_text(with_latency(first, (latency(threads=2, cluster="big"),)))
    (own / "my-phone.toml").write_text(PHONE.replace('"pixel-4"', '"first"'))
    assert device_profile("first").latency[0].threads == 2  # its own times need no clock
    with pytest.raises(BadInputError, match="as the file of first does not say its clock"):
        choose(device_profile("my-phone"), "float32")


def test_a_damaged_sibling_costs_only_what_it_would_lend(own: Path) -> None:
    first = PHONE.replace('"my-phone"', '"first"').replace('like = "pixel-4"\n', "")
    broken = with_latency(first, (latency(threads=2, cluster="big"),)).replace(
        "threads = 2", "x = 2"
    )
    (own / "first.toml").write_text(broken)
    (own / "my-phone.toml").write_text(PHONE.replace('"pixel-4"', '"first"'))
    assert damaged_files() == {}
    assert {"first", "my-phone", "pixel-4"} <= set(all_profiles())
    with pytest.raises(BadInputError, match=r"first\.toml: latency entry 1"):
        choose(device_profile("my-phone"), "float32")
    assert len(device_profile("pixel-6").latency) > 0
