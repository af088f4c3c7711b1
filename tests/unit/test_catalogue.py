"""The device catalogue: every shipped profile, and how devices are found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources

import pytest
from conftest import ROOT
from edge_deploy_runner.errors import UsageError

from edge_deploy.catalogue import all_profiles, device_profile, profile_power, recognise
from edge_deploy.catalogue.profile import Fact

SHIPPED = {
    "raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5",
    "pixel-1", "pixel-2", "pixel-3", "pixel-4", "pixel-6", "coral-dev-board",
    "android-low-end", "android-mid-range", "android-high-end",
}  # fmt: skip


def facts() -> Iterator[tuple[str, str, Fact]]:
    """Every fact of every shipped profile, and what other sources say, with where it stands."""
    for profile in all_profiles().values():
        named = [("clusters_source", profile.clusters_source), *profile.facts.items()]
        if profile.currents_source:
            named.append(("currents_source", profile.currents_source))
        named += [("current", other) for c in profile.clusters for other in c.alternatives]
        for key, fact in named:
            for one in (fact, *fact.alternatives):
                yield profile.id, key, one


def test_every_shipped_profile_reads_and_names_its_sources() -> None:
    profiles = all_profiles()
    assert set(profiles) >= SHIPPED
    assert list(profiles) == sorted(profiles)
    for profile in profiles.values():
        assert profile.cores >= 4
        assert profile.ram_bytes() is not None
        assert (profile.storage_budget_bytes() or 0) >= 50e6
        assert profile.facts["storage_budget"].standing == "guess"
        assert profile.delegates()[0] == "XNNPACK"
        assert profile.kind != "computer"
        assert (profile.battery() is not None) == (profile.kind == "phone")
    for device, key, fact in facts():
        assert fact.source, (device, key)
        if "not read" in fact.source or "from memory, not" in fact.source:
            assert fact.standing == "guess", (device, key)


def test_a_source_is_a_page_or_says_that_there_is_none() -> None:
    """No source speaks of notes that only their writer has, or leaves open which file it means."""
    for device, key, fact in facts():
        said = fact.source.lower()
        for words in ("our notes", "same file", "todo", "unknown", "???"):
            assert words not in said, (device, key, fact.source)
        if "not recorded" in said:
            assert fact.standing == "guess", (device, key)


def test_nothing_of_a_generic_phone_is_more_than_a_guess() -> None:
    found = [fact.standing for device, _, fact in facts() if device.startswith("android-")]
    assert len(found) > 20
    assert set(found) == {"guess"}


def test_siblings_are_known_devices() -> None:
    profiles = all_profiles()
    likes = {profile.like for profile in profiles.values() if profile.like}
    assert "raspberry-pi-3b-plus" in likes
    assert likes <= set(profiles)


def test_more_threads_draw_more() -> None:
    drawn = 0
    for profile in all_profiles().values():
        draws = [profile_power(profile, threads) for threads in range(1, profile.cores + 1)]
        tops = [draw.marginal_w[1] for draw in draws if draw]
        assert tops == sorted(tops)
        assert len(set(tops)) == len(tops)
        drawn += bool(tops)
    assert drawn > 15


def test_a_phones_power_is_that_of_its_fastest_cores() -> None:
    draw = profile_power(device_profile("pixel-4"), 2)
    assert draw is not None
    assert draw.marginal_w[1] == pytest.approx((223.89 + 100.68) / 1000 * 3.85)


def test_sources_that_disagree_are_all_there() -> None:
    board = profile_power(device_profile("raspberry-pi-4b"), 4)
    assert board is not None
    assert [entry.idle_w for entry in (board, *board.alternatives)] == [(2.2, 2.3), (2.7, 2.7)]
    phone = profile_power(device_profile("pixel-6"), 1)
    assert phone is not None
    assert phone.alternatives[0].marginal_w[1] > 8 * phone.marginal_w[1]


@pytest.mark.parametrize(
    ("device", "codename"),
    [
        ("pixel-1", "sailfish"), ("pixel-2", "walleye"), ("pixel-3", "blueline"),
        ("pixel-3a", "sargo"), ("pixel-4", "flame"), ("pixel-6", "oriole"), ("pixel-8", "shiba"),
    ],
)  # fmt: skip
def test_currents_are_those_of_the_published_table(device: str, codename: str) -> None:
    with (ROOT / "tests" / "data" / "android_cpu_power_profiles.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["device"] == codename]
    listed = sorted((float(row["fmax_MHz"]), int(row["n_cpus"])) for row in rows)
    clusters = device_profile(device).clusters
    assert sorted((cluster.max_mhz, cluster.cores) for cluster in clusters) == listed
    for cluster in clusters:
        row = next(row for row in rows if float(row["fmax_MHz"]) == cluster.max_mhz)
        assert cluster.active_ma_per_core == pytest.approx(
            (float(row["mA_half_fmax"]), float(row["mA_per_core_at_fmax"])), abs=0.001
        )


@pytest.mark.parametrize(
    ("spoken", "nearest"),
    [
        ("rasberry-pi-4", "raspberry-pi-4b"), ("pixel4", "pixel-4"), ("Pixel 4 XL", "pixel-4"),
        ("rpi5", "raspberry-pi-5"), ("pi5", "raspberry-pi-5"), ("pi 4", "raspberry-pi-4b"),
        ("rpi4", "raspberry-pi-4b"), ("RaspberryPi5", "raspberry-pi-5"),
        ("pi zero 2w", "raspberry-pi-zero-2-w"),
        ("Pi 3B+", "raspberry-pi-3b-plus"), ("Raspberry Pi 3 Model B+", "raspberry-pi-3b-plus"),
        ("cm4", "raspberry-pi-cm4"), ("pixel-5", "pixel-4"), ("coral", "coral-dev-board"),
        ("low-end", "android-low-end"),
    ],
)  # fmt: skip
def test_an_unknown_device_names_the_nearest(spoken: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=rf"did you mean {nearest}( or .*)?\?") as raised:
        device_profile(spoken)
    said = str(raised.value)
    assert said.endswith("`edge-deploy devices list` has all")
    assert (
        sum(f"{name} " in f"{said.split(';')[1]} ".replace("?", " ") for name in all_profiles())
        <= 3
    )


@pytest.mark.parametrize(
    "spoken",
    ["raspberry-pi-5", "RASPBERRY-PI-5", "Raspberry_Pi_5", "raspberry pi 5", " Raspberry  Pi 5 "],
)
def test_ids_may_be_in_capitals_and_with_spaces(spoken: str) -> None:
    assert device_profile(spoken).id == "raspberry-pi-5"


def test_a_plus_is_never_folded_away() -> None:
    assert device_profile("PIXEL 4").id == "pixel-4"
    with pytest.raises(UsageError, match="did you mean raspberry-pi-3b-plus"):
        device_profile("Raspberry Pi 3B+")  # which is another board than the 3B


@pytest.mark.parametrize("spoken", ["toaster", "galaxy-s21", "", "   ", "iphone"])
def test_what_is_near_to_nothing_gets_no_name(spoken: str) -> None:
    with pytest.raises(UsageError) as raised:
        device_profile(spoken)
    assert "did you mean" not in str(raised.value)
    assert "android-mid-range" in str(raised.value)


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4b"),
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3b-plus"),
        ("Raspberry Pi 3 Model B Rev 1.2", "raspberry-pi-3b"),
        ("Raspberry Pi 2 Model B Rev 1.2", "raspberry-pi-2b"),
        ("Raspberry Pi 2 Model B Rev 1.1", None),
        ("Raspberry Pi Compute Module 4 Rev 1.0", "raspberry-pi-cm4"),
        ("Freescale i.MX8MQ Phanbell", "coral-dev-board"),
        ("linux,dummy-virt", None),
        ("", None),
        (None, None),
    ],
)
def test_boards_are_recognised(board: str | None, expected: str | None) -> None:
    found = recognise(board)
    assert (found.id if found else None) == expected


def test_what_people_write_and_what_commands_write_are_kept_apart() -> None:
    """No shipped file has a latency entry above its marker, so that a command may replace all."""
    folder = resources.files("edge_deploy") / "devices"
    texts = [e.read_text("utf-8") for e in folder.iterdir() if e.name.endswith(".toml")]
    assert len(texts) >= len(SHIPPED)
    assert not any("[[latency" in text.partition("# Written by a command")[0] for text in texts)
