"""The device catalogue: every shipped profile, and every way to break one."""

from __future__ import annotations

import pytest
from edge_deploy_runner.errors import BadInputError, UsageError

from edge_deploy.catalogue import all_profiles, device_profile, parse_profile, recognise

GOOD = """
id = "board"
name = "A Board"
soc = "X1"
clusters = [{ cores = 4, core = "A53", max_mhz = 1000 }]
clusters_source = { source = "a page", standing = "read" }
[facts]
idle_w = { value = [1.0, 2.0], source = "a page", standing = "read" }
load_w = { value = [5.0, 6.0], source = "a page", standing = "guess" }
"""


def test_every_shipped_profile_reads_and_names_its_sources() -> None:
    profiles = all_profiles()
    assert set(profiles) >= {
        "raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5",
        "pixel-4",
    }  # fmt: skip
    for profile in profiles.values():
        assert profile.cores >= 4
        draw = profile.power(1)
        assert draw is not None
        assert draw.evidence == "predicted"
        for fact in profile.facts.values():
            assert fact.source
            if "not read" in fact.source:
                assert fact.standing == "guess"


def test_more_threads_draw_more() -> None:
    for profile in all_profiles().values():
        draws = [profile.power(threads) for threads in range(1, profile.cores + 1)]
        tops = [draw.marginal_w[1] for draw in draws if draw]
        assert tops == sorted(tops)
        assert len(set(tops)) == len(tops)


def test_a_phones_power_is_that_of_its_fastest_cores() -> None:
    draw = device_profile("pixel-4").power(2)
    assert draw is not None
    assert draw.marginal_w[1] == pytest.approx((223.89 + 100.68) / 1000 * 3.85)
    assert draw.idle_w is None


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean raspberry-pi-4b"):
        device_profile("rasberry-pi-4")
    with pytest.raises(UsageError, match="raspberry-pi-zero-2-w"):
        device_profile("toaster")


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4b"),
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3b-plus"),
        ("Raspberry Pi 3 Model B Rev 1.2", None),
        ("linux,dummy-virt", None),
        ("", None),
        (None, None),
    ],
)
def test_boards_are_recognised(board: str | None, expected: str | None) -> None:
    found = recognise(board)
    assert (found.id if found else None) == expected


def test_a_good_profile() -> None:
    draw = parse_profile(GOOD, "board").power(2)
    assert draw is not None
    assert draw.marginal_w == (1.5, 2.5)
    assert "guess" in draw.source


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "board"', 'id = "other"'),
        ('name = "A Board"', ""),
        ("[1.0, 2.0]", "[2.0, 1.0]"),
        ("[1.0, 2.0]", "[-1.0, 2.0]"),
        ("[1.0, 2.0]", "[1.0, nan]"),
        ("[1.0, 2.0]", "[1.0, 5.5]"),
        ("[1.0, 2.0]", "1.0"),
        ('standing = "guess"', 'standing = "sure"'),
        ('source = "a page", standing = "guess"', 'source = " ", standing = "guess"'),
        ("idle_w", "idle_watts"),
        ("cores = 4", "cores = 0"),
        ("max_mhz = 1000", "max_mhz = 0"),
        ("[{ cores", "[[{ cores"),
        ("[facts]", "facts = 5"),
        ("load_w = ", "isa = "),
    ],
)
def test_broken_profiles(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(BadInputError):
        parse_profile(GOOD.replace(old, new, 1), "board")
