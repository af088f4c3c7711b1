"""Power models of devices: what each source says, and what is assumed between its figures."""

from __future__ import annotations

import pytest
from edge_deploy_runner.bench.percentiles import Estimate

from edge_deploy.catalogue import Cluster, DeviceProfile, Fact, profile_power
from edge_deploy.energy import predicted_energy


def board(idle: Fact, load: Fact) -> DeviceProfile:
    return DeviceProfile(
        id="a-board", name="A Board", soc="X1", device_tree="",
        clusters=(Cluster(4, "A72", 1500),), clusters_source=Fact(None, "a page", "read"),
        facts={"idle_w": idle, "load_w": load},
    )  # fmt: skip


def phone(*clusters: Cluster, **facts: Fact) -> DeviceProfile:
    return DeviceProfile(
        id="a-phone", name="A Phone", soc="X1", device_tree="", clusters=clusters,
        clusters_source=Fact(None, "a power profile", "read"),
        facts={"battery_v": Fact(4.0, "a sticker", "guess"), **facts},
    )  # fmt: skip


BIG = Cluster(1, "X1", 2800, (100.0, 200.0), "big")
LITTLE = Cluster(4, "A55", 1800, (10.0, 20.0), "little")


def test_a_board_with_all_cores_busy_is_not_assumed() -> None:
    draw = profile_power(board(Fact([2, 2], "x", "read"), Fact([6, 7], "y", "guess")), 4)
    assert draw is not None
    assert (draw.marginal_w, draw.idle_w) == ((4.0, 5.0), (2.0, 2.0))
    assert (draw.evidence, draw.standing) == ("predicted", "guess")
    assert "assumption" not in draw.source
    assert "idle: x, read; load of all 4 cores: y, guess" in draw.source


def test_some_busy_cores_are_an_assumption_and_called_one() -> None:
    draw = profile_power(board(Fact([2, 2], "x", "read"), Fact([6, 6], "y", "read")), 2)
    assert draw is not None
    assert draw.marginal_w == (2.0, 2.0)
    assert "2 of 4 cores taken as 2/4 of the load, an assumption" in draw.source
    assert draw.standing == "read"


def test_each_source_of_a_board_is_kept() -> None:
    idle = Fact([2.7, 2.7], "a magazine", "read", (Fact([2.2, 2.3], "a blog", "read"),))
    load = Fact(
        [6.4, 6.4], "a magazine", "read",
        (Fact([5.1, 5.4], "a blog", "read"), Fact([7.0, 7.0], "a forum", "guess")),
    )  # fmt: skip
    draw = profile_power(board(idle, load), 4)
    assert draw is not None
    assert draw.marginal_w == (pytest.approx(3.7), pytest.approx(3.7))
    blog, forum = draw.alternatives
    assert blog.marginal_w == (pytest.approx(2.8), pytest.approx(3.2))
    assert blog.idle_w == (2.2, 2.3)
    assert blog.standing == "read"
    assert "(idle, and load of all 4 cores: a blog, read)" in blog.source
    # The forum says nothing of idling: the first source's counts.
    assert forum.idle_w == (2.7, 2.7)
    assert forum.marginal_w == (pytest.approx(4.3), pytest.approx(4.3))
    assert forum.standing == "guess"
    energy = predicted_energy(draw, Estimate(100.0, 90.0, 110.0))
    assert [entry.idle_w for entry in energy.alternatives] == [2.7, 2.25, 2.7]
    assert energy.low == pytest.approx(2.8 * 90)
    assert energy.mj_per_inference == pytest.approx(3.7 * 100)
    assert energy.high == pytest.approx(4.3 * 110)


def test_a_phones_power_is_that_of_its_fastest_cores_at_a_clock_that_is_not_known() -> None:
    draw = profile_power(phone(LITTLE, BIG), 2)
    assert draw is not None
    assert draw.marginal_w == (pytest.approx(0.44), pytest.approx(0.88))
    assert draw.idle_w is None
    assert draw.standing == "guess"  # its voltage is
    assert "the clock taken to lie between them, an assumption" in draw.source


def test_the_cores_of_the_cluster_that_runs_come_first() -> None:
    draw = profile_power(phone(BIG, LITTLE), 2, "little")
    assert draw is not None
    assert draw.marginal_w == (pytest.approx(0.08), pytest.approx(0.16))
    spilling = profile_power(phone(BIG, LITTLE), 5, "little")
    assert spilling is not None
    assert spilling.marginal_w == (pytest.approx(0.56), pytest.approx(1.12))


def test_two_power_profiles_of_one_phone_are_both_kept() -> None:
    other = Fact([30.0, 60.0], "another power profile", "read")
    draw = profile_power(phone(Cluster(2, "X1", 2800, (100.0, 200.0), "big", (other,))), 2)
    assert draw is not None
    assert [entry.marginal_w[1] for entry in draw.alternatives] == [pytest.approx(0.48)]
    energy = predicted_energy(draw, 10.0)
    assert energy.low == pytest.approx(2.4)
    assert energy.high == pytest.approx(16.0)
    assert "another power profile, read" in energy.alternatives[1].source


def test_idle_power_of_a_phone_counts_where_it_is_known() -> None:
    draw = profile_power(phone(BIG, idle_w=Fact([0.02, 0.05], "a paper", "read")), 1)
    assert draw is not None
    assert draw.idle_w == (0.02, 0.05)
    assert "idle: a paper, read)" in draw.source


def test_two_idle_powers_of_a_phone_are_both_kept() -> None:
    idle = Fact([0.02, 0.05], "a paper", "read", (Fact([0.3, 0.3], "a meter at home", "read"),))
    draw = profile_power(phone(BIG, idle_w=idle), 1)
    assert draw is not None
    (other,) = draw.alternatives
    assert (other.marginal_w, other.idle_w) == (draw.marginal_w, (0.3, 0.3))
    assert "clock: a power profile, read" in other.source
    assert "idle: a meter at home, read" in other.source
    energy = predicted_energy(draw, 10.0)
    assert (energy.idle_w_low, energy.idle_w_high) == (0.02, 0.3)


def test_power_that_no_source_states_is_none() -> None:
    assert profile_power(phone(Cluster(4, "A53", 1200)), 1) is None
    assert profile_power(phone(BIG, Cluster(3, "A76", 2400)), 2) is None
    assert profile_power(phone(BIG, Cluster(3, "A76", 2400)), 1) is not None
