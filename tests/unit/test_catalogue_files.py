"""Device files: every way to break one, the user's own, and what a command writes into them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT
from edge_deploy_runner.errors import BadInputError, UsageError

from edge_deploy.catalogue import (
    all_profiles,
    damaged_files,
    device_file,
    device_profile,
    parse_profile,
    profile_power,
    recognise,
    user_folder,
    with_latency,
)
from edge_deploy.catalogue.own_files import MARKER
from edge_deploy.prediction.latency.model import LatencyModel, Point

GOOD = """\
id = "board"
name = "A Board"
soc = "X1"
clusters = [{ cores = 4, core = "A53", max_mhz = 1000 }]
clusters_source = { source = "a page", standing = "read" }
[facts]
ram = { value = "4 GB", source = "a page", standing = "read" }
battery_mah = { value = 2800, source = "a page", standing = "read" }
battery_v = { value = 3.85, source = "a page", standing = "read" }
idle_w = { value = [1.0, 2.0], source = "a page", standing = "read" }
load_w = { value = [5.0, 6.0], source = "a page", standing = "guess" }
"""


def latency(threads: int = 1, **changes: object) -> LatencyModel:
    values: dict[str, object] = {
        "cluster": "all",
        "dtype": "float32",
        "threads": threads,
        "runtime": "TFLite 2.5",
        "delegate": "xnnpack",
        "coefficients": {"dense_mmac": 0.25},
        "points": (
            Point("net_a", "net", 10.0, {"dense_mmac": 38.0}, 9.0, 8.0),
            Point("net_b", "net", 20.0, {"dense_mmac": 82.0}, 22.0, 25.0),
        ),
        "made": "2026-01-02",
        "source": "a table",
        "standing": "read",
    }
    return LatencyModel(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's device files."""
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path))
    return tmp_path


def test_a_good_profile() -> None:
    profile = parse_profile(GOOD, "board")
    draw = profile_power(profile, 2)
    assert draw is not None
    assert draw.marginal_w == (1.5, 2.5)
    assert "guess" in draw.source
    assert profile.ram_bytes() == (4e9, 4e9)
    assert (profile.kind, profile.like, profile.origin) == ("computer", "", "package")
    assert list(profile.latency) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "board"', 'id = "other"', "calls itself 'other'"),
        ('id = "board"\n', "", 'lacks id; write id = "board"'),
        ('name = "A Board"\n', "", 'lacks name; write name = "..."'),
        ('name = "A Board"', "name = 5", "name is 5; it needs a text"),
        ('name = "A Board"', 'nam = "A Board"', "unknown key 'nam'; did you mean name?"),
        ("soc = ", 'kind = "fridge"\nsoc = ', "kind is 'fridge'; valid: raspberry-pi, phone"),
        ("clusters = [{ cores = 4, core = ", "x = [{ core = ", "unknown key 'x'"),
        ("[{ cores = 4, core = \"A53\", max_mhz = 1000 }]", "[]", "lists no cores"),
        ("[{ cores", "[[{ cores", "is not TOML"),
        ("cores = 4", "cores = 0", "clusters[0].cores is 0; a cluster has 1 to 256 cores"),
        ("cores = 4", "cores = 2.5", "clusters[0].cores is 2.5"),
        ("cores = 4", "cores = true", "clusters[0].cores is True"),
        ("cores = 4, ", "", "clusters[0] lacks cores"),
        ("cores = 4", 'name = "huge", cores = 4', "clusters[0].name is 'huge'; valid: all, big"),
        ("cores = 4", "ghz = 1, cores = 4", "clusters[0] has an unknown key 'ghz'"),
        ("max_mhz = 1000", "max_mhz = 0", "clusters[0].max_mhz is 0, which no processor runs at"),
        ("max_mhz = 1000", "max_mhz = -5", "clusters[0].max_mhz is -5, which no processor"),
        ("max_mhz = 1000", "max_mhz = 28000", "clusters[0].max_mhz is 28000, which no processor"),
        ("max_mhz = 1000", "max_mhz = 1.8", "50 to 10000, as in 1800 for 1.8 GHz"),
        ("max_mhz = 1000", "max_mhz = nan", "clusters[0].max_mhz is nan; write a clock in MHz"),
        ("max_mhz = 1000", 'max_mhz = "1.8 GHz"', "is '1.8 GHz'; write a clock in MHz without its"),
        ("max_mhz = 1000", "max_mhz = 1000, active_ma_per_core = [9, 3]", "the smaller first"),
        ("max_mhz = 1000", "max_mhz = 1000, active_ma_per_core = [0, 3]", "above 0"),
        ("max_mhz = 1000", "max_mhz = 1000, active_ma_per_core = 3", "as in [26, 101]"),
        ("max_mhz = 1000 }", 'max_mhz = 1000, alternatives = [{ value = [1, 2], source = "b", '
         'standing = "read" }] }', "has alternatives to active_ma_per_core, but not that itself"),
        ("[{ cores = 4, core = \"A53\", max_mhz = 1000 }]",
         '[{ cores = 4, core = "A", max_mhz = 999 }, { cores = 2, core = "B", max_mhz = 999 }]',
         "two clusters are called 'all'"),
        ('clusters_source = { source = "a page", standing = "read" }\n', "",
         'lacks clusters_source; write clusters_source = { source = "..."'),
        ('"4 GB"', '"4"', "ram is '4', which has no unit; valid units: B, kB"),
        ('"4 GB"', "4", 'ram is 4; write a number and a unit in quotes, as in "4 GB"'),
        ('"4 GB"', '"4 mAh"', "ram is '4 mAh', which is no size; valid units: B, kB"),
        ('"4 GB"', '"4 GHz"', "ram is '4 GHz', which is no size"),
        ('"4 GB"', '"0 GB"', "ram is '0 GB'; it needs a size above 0"),
        ('"4 GB"', '["4 GB", "1 GB"]', "those of the smallest and of the largest"),
        ("value = 2800", "value = 0", "battery_mah is 0; it needs a number of mAh above 0"),
        ("value = 2800", "value = -1", "battery_mah is -1"),
        ("value = 2800", "value = nan", "battery_mah is nan; write a number of mAh"),
        ("value = 2800", 'value = "2800 mAh"', "is '2800 mAh'; write a number of mAh without its"),
        ("value = 3.85", "value = 3850", "battery_v is 3850; it needs a number of V above 0"),
        ("battery_mah", "battery", "unknown key 'battery'; did you mean battery_"),
        ("battery_mah", "storage", "unknown key 'storage'; did you mean storage_budget?"),
        ("[1.0, 2.0]", "[2.0, 1.0]", "idle_w is [2, 1]; write watts from low to high"),
        ("[1.0, 2.0]", "[-1.0, 2.0]", "idle_w is [-1, 2]"),
        ("[1.0, 2.0]", "[1.0, nan]", "idle_w is nan; write watts"),
        ("[1.0, 2.0]", "[1.0, inf]", "idle_w is inf; write watts"),
        ("[1.0, 2.0]", "1.0", "idle_w is 1.0; write watts from low to high, as in [2.2, 3.0]"),
        ("[1.0, 2.0]", "[1.0, 5.5]", "load_w (5 W, a page) does not lie above idle_w (5.5 W"),
        ("idle_w", "idle_watts", "unknown key 'idle_watts'; did you mean idle_w?"),
        ("idle_w = { value = [1.0, 2.0]", 'isa = { value = "NEON"', "load_w and not idle_w"),
        ("load_w = { value = [5.0, 6.0]", 'isa = { value = "NEON"', "neither load_w nor active_ma"),
        ("[5.0, 6.0],", '[5.0, 6.0], alternatives = [{ value = 7, source = "b", standing = '
         '"read" }],', "load_w.alternatives[0] is 7; write watts"),
        ("[5.0, 6.0],", "[5.0, 6.0], alternatives = 7,", "load_w.alternatives is 7"),
        ("[5.0, 6.0],", '[5.0, 6.0], alternatives = [{ value = [1, 1] }],',
         "load_w.alternatives[0] lacks source"),
        ('standing = "guess"', 'standing = "sure"', "standing is 'sure'; valid: read, guess"),
        ('standing = "guess"', 'standing = ["read"]', "load_w.standing is ['read']"),
        (', standing = "guess"', "", "load_w lacks standing"),
        ('source = "a page", standing = "guess"', 'source = " ", standing = "guess"',
         "load_w.source is ' '; it needs a text"),
        ('ram = { value = "4 GB", source', "ram = { source", "ram lacks value"),
        ('ram = { value = "4 GB", source = "a page", standing = "read" }', 'ram = "4 GB"',
         "ram is '4 GB'; it needs a table"),
        ("[facts]", "facts = 5", "facts is 5; it needs a table"),
        ("soc = ", 'latency = 5\nsoc = ', ""),
    ],
)  # fmt: skip
def test_broken_profiles(old: str, new: str, words: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if old == "[facts]":
        text = text[: text.index("ram = ")]
    with pytest.raises(BadInputError) as raised:
        list(parse_profile(text, "board").latency)
    said = str(raised.value)
    assert "board.toml" in said
    assert words in said
    assert "\n" not in said.split("is not TOML", maxsplit=1)[0]


@pytest.mark.parametrize("name", ["Board", "my board", "board_2", "-board", "", "local", "android"])
def test_names_that_no_device_can_have(name: str) -> None:
    with pytest.raises(BadInputError, match="cannot"):
        parse_profile(GOOD.replace('"board"', f'"{name}"'), name)


def test_what_is_written_is_read_again() -> None:
    models = (latency(), latency(4, dtype="int8"))
    profile = parse_profile(with_latency(GOOD, models), "board")
    assert [(m.dtype, m.threads) for m in profile.latency] == [("float32", 1), ("int8", 4)]
    assert profile.latency[0].coefficients == {"dense_mmac": 0.25}
    assert profile.latency[1:][0].points[1].held_out_ms == 22.0
    assert len(profile.latency) == 2


@pytest.mark.parametrize(
    "above",
    [GOOD, GOOD.rstrip("\n"), GOOD.replace("\n", "\r\n"), "# é by hand \n\n\n" + GOOD, ""],
)
def test_what_stands_above_the_marker_stays(above: str) -> None:
    once = with_latency(above, (latency(), latency(2)))
    assert once.startswith(above)
    assert once.count(MARKER) == 1
    twice = with_latency(once, (latency(4),))
    assert twice.startswith(above)
    assert twice.count(MARKER) == 1
    assert twice == with_latency(above, (latency(4),))
    assert [line for line in twice.splitlines() if line.startswith("threads")] == ["threads = 4"]
    assert with_latency(twice, ()) == with_latency(above, ())


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ((latency(), latency()), "latency entry 2 says the same as entry 1: cluster all, float32"),
        ((latency(5),), "threads is 5; this device has 4 cores, so it needs 1 to 4"),
        ((latency(cluster="prime"),), "cluster is 'prime'; valid: all, big, mid, little"),
        ((latency(coefficients={"dense_mmac": -0.25}),), "dense_mmac is negative"),
        ((latency(coefficients={"speed": 0.25}),), "speed"),
        ((latency(coefficients={}),), "coefficients_ms"),
    ],
)
def test_damaged_latency_entries(models: tuple[LatencyModel, ...], words: str) -> None:
    profile = parse_profile(with_latency(GOOD, models), "board")
    with pytest.raises(BadInputError, match=r"file board\.toml: latency entry") as raised:
        list(profile.latency)
    assert words in str(raised.value)


def test_points_of_another_runtime_than_the_entrys() -> None:
    text = with_latency(GOOD, (latency(),))
    mixed = text.replace('model = "net_b"', 'model = "net_b"\nruntime = "TFLite 2.18"')
    assert mixed != text
    with pytest.raises(BadInputError, match=r"TFLite 2\.18.*TFLite 2\.5"):
        list(parse_profile(mixed, "board").latency)


@pytest.mark.parametrize(
    ("below", "words"),
    [
        ("[[latency\n", f"(at line {GOOD.count(chr(10)) + 2}, column 10)"),
        ("\n[[latency\n", "is not TOML below its marker line"),
        ("ram = 5\n", "'ram' below its marker line, where only [[latency]] may stand"),
        ("latency = 5\n", "latency is no list of tables"),
        ("latency = [5]\n", "latency is no list of tables"),
    ],
)
def test_damage_below_the_marker_costs_the_latency_alone(below: str, words: str) -> None:
    profile = parse_profile(f"{GOOD}{MARKER}\n{below}", "board")
    assert profile_power(profile, 1) is not None
    with pytest.raises(BadInputError, match=re.escape(words)):
        len(profile.latency)


def test_entries_by_hand_above_the_marker_count_too() -> None:
    by_hand = with_latency(GOOD, (latency(),)).replace(MARKER + "\n", "")
    both = with_latency(by_hand, (latency(2),))
    assert [model.threads for model in parse_profile(both, "board").latency] == [1, 2]
    with pytest.raises(BadInputError, match="says the same"):
        list(parse_profile(with_latency(by_hand, (latency(),)), "board").latency)


def test_a_users_device_stands_beside_the_others(own: Path) -> None:
    assert user_folder() == own
    before = set(all_profiles())
    (own / "board.toml").write_text(GOOD)
    (own / "notes.txt").write_text("not a device")
    assert set(all_profiles()) == before | {"board"}
    assert device_profile("board").origin == str(own / "board.toml")
    assert device_file("board") == GOOD
    assert damaged_files() == {}
    (own / "board.toml").write_text(GOOD.replace("A Board", "Another"))
    assert device_profile("board").name == "Another"
    (own / "board.toml").unlink()
    assert set(all_profiles()) == before


def test_a_damaged_file_costs_that_device_alone(own: Path) -> None:
    before = set(all_profiles())
    (own / "board.toml").write_text(GOOD.replace("cores = 4", "cores = 0"))
    (own / "raspberry-pi-4b.toml").write_text("[[")
    (own / "latin.toml").write_bytes(b'id = "\xff"')
    (own / "folder.toml").mkdir()
    assert set(all_profiles()) == before
    assert set(damaged_files()) == {"board", "raspberry-pi-4b", "latin", "folder"}
    for name in damaged_files():
        with pytest.raises(BadInputError, match=re.escape(str(own / f"{name}.toml"))):
            device_profile(name)
    known = recognise("Raspberry Pi 4 Model B Rev 1.4")
    assert known is not None
    assert known.origin == "package"
    with pytest.raises(UsageError):
        device_profile("toaster")


def test_a_folder_that_is_none_costs_only_the_users_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path / "file"))
    assert "pixel-4" in all_profiles()
    assert "cannot be read: Not a directory" in str(*damaged_files().values())
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path / "missing"))
    assert damaged_files() == {}


def test_a_users_file_adds_to_a_known_device(own: Path) -> None:
    packaged = device_profile("raspberry-pi-4b")
    text = 'id = "raspberry-pi-4b"\n[facts]\n' + "".join(
        f'{key} = {{ value = {value}, source = "my meter", standing = "read" }}\n'
        for key, value in (("idle_w", "[1.0, 1.0]"), ("load_w", "[2.0, 2.0]"))
    )
    (own / "raspberry-pi-4b.toml").write_text(with_latency(text, (latency(),)))
    found = device_profile("raspberry-pi-4b")
    assert (found.name, found.clusters) == (packaged.name, packaged.clusters)
    assert found.facts["ram"] == packaged.facts["ram"]
    assert found.facts["idle_w"].value == [1.0, 1.0]
    assert [fact.value for fact in found.facts["idle_w"].alternatives] == [[2.2, 2.3], [2.7, 2.7]]
    assert found.origin == str(own / "raspberry-pi-4b.toml")
    assert next(iter(found.latency)).runtime == "TFLite 2.5"
    assert list(found.latency)[1:] == list(packaged.latency)
    draw = profile_power(found, 4)
    assert draw is not None
    assert draw.marginal_w == (1.0, 1.0)
    assert [entry.idle_w for entry in draw.alternatives] == [(2.2, 2.3), (2.7, 2.7)]


@pytest.mark.parametrize(
    ("likes", "words"),
    [
        ({"board": "toaster"}, "like names the unknown device 'toaster'"),
        ({"board": "pixel4"}, "did you mean pixel-4?"),
        ({"board": "board"}, "like leads in a circle: board is like board"),
        ({"board": "other", "other": "board"}, ": like leads in a circle: board is like other"),
        ({"other": "board", "board": "other"}, "board is like other is like board; leave it out"),
        (
            {"another": "toaster", "board": "another"},
            "it is like another, whose like names the unknown device 'toaster'; `edge-deploy",
        ),
        ({"board": "other", "other": "other"}, "it is like other, whose like leads in a circle"),
    ],
)
def test_siblings_that_cannot_be(own: Path, likes: dict[str, str], words: str) -> None:
    for name, like in likes.items():
        text = GOOD.replace('"board"', f'"{name}"').replace("soc =", f'like = "{like}"\nsoc =')
        (own / f"{name}.toml").write_text(text)
    assert not set(likes) & set(all_profiles())
    with pytest.raises(BadInputError) as raised:
        device_profile("board")
    assert words in str(raised.value)


def test_a_sibling_whose_file_is_damaged_is_named_as_that(own: Path) -> None:
    (own / "board.toml").write_text(GOOD.replace("soc =", 'like = "board-2"\nsoc ='))
    (own / "board-2.toml").write_text("[[")
    with pytest.raises(BadInputError, match="like names board-2, whose own file is damaged; mend"):
        device_profile("board")


def test_one_damaged_circle_does_not_cost_its_neighbours(own: Path) -> None:
    for name, like in {"board": "board", "other": "board", "third": "pixel-4"}.items():
        text = GOOD.replace('"board"', f'"{name}"').replace("soc =", f'like = "{like}"\nsoc =')
        (own / f"{name}.toml").write_text(text)
    assert set(damaged_files()) == {"board", "other"}
    assert "third" in all_profiles()


def test_without_the_variable_files_lie_with_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("EDGE_DEPLOY_DEVICES", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = user_folder()
    assert folder.parts[-2:] == ("edge-deploy", "devices")
    assert not folder.exists()
    assert device_file("board") == ""
    assert "raspberry-pi-4b" in device_file("raspberry-pi-4b")


def test_the_example_of_the_docs_is_a_device() -> None:
    page = (ROOT / "docs" / "files.md").read_text("utf-8")
    found = re.search(r"## A device file\n.*?```toml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    profile = parse_profile(found[1], "my-board")
    draw = profile_power(profile, 4)
    assert draw is not None
    assert len(draw.alternatives) == 1
    assert MARKER in page
