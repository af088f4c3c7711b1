"""Device files of calibrations: what they are called, what stands in them, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.errors import BadInputError, OutputError, UsageError
from edge_deploy_runner.toml import tomllib
from known_devices import latency, write_device

from edge_deploy.catalogue import device_profile
from edge_deploy.prediction.calibration.device_file import (
    check_is,
    check_place,
    cluster_of,
    device_text,
    id_of,
    write_calibration,
)

PI = {"board": "Raspberry Pi 4 Model B Rev 1.5", "cores": 4, "cpu_model": "Cortex-A72"}
PHONE = {
    "manufacturer": "Acme", "model": "Fone 3", "android": "14", "cores": 8, "soc": "X1",
    "ram_bytes": 4e9, "board": None,
    "core_max_mhz": {str(core): 1800.0 if core < 6 else 2400.0 for core in range(8)},
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "devices"
    own.mkdir()
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(own))
    return own


def written(folder: Path, device_id: str, **options: Any) -> str:
    path = folder / f"{device_id}.toml"
    text = device_text(device_id, path, [latency(cluster="all", threads=4)], **options)
    path.write_text(text)
    return text


@pytest.mark.parametrize(
    ("machine", "host", "expected"),
    [
        (PI, "pi.local", "raspberry-pi-4b"),
        ({**PI, "emulated": True}, "pi.local", "pi-local"),
        (PHONE, "x", "acme-fone-3"),
        ({"board": None}, "Tom's Laptop", "tom-s-laptop"),
        ({"board": None}, "android", "android-device"),
        ({"board": None}, "", "my-device"),
        ({"manufacturer": "Google", "model": "Pixel 4"}, "x", "pixel-4"),
    ],
)
def test_a_device_is_called_as_it_is_known(
    machine: dict[str, Any], host: str, expected: str
) -> None:
    assert id_of(machine, host) == expected


def test_emulators_are_no_known_device() -> None:
    phone = {"manufacturer": "Google", "model": "Pixel 4"}
    assert id_of(PI, "host") == "raspberry-pi-4b"
    assert id_of({**PI, "emulated": True}, "host") == "host"
    assert id_of({**phone, "emulated": True}, "host") == "google-pixel-4"


def test_the_cores_of_a_run() -> None:
    phone, board = device_profile("pixel-4"), device_profile("raspberry-pi-4b")
    assert cluster_of(None, [1, 4], None) == "all"
    assert cluster_of(board, [1, 4], None) == "all"
    assert cluster_of(phone, [1], "little") == "little"
    assert cluster_of(phone, [1], None) == "big"
    assert cluster_of(phone, [1, 8], None) == "all"
    assert cluster_of(phone, [2], "4-7") == "all"


def test_a_known_device_gets_its_facts_from_there(folder: Path) -> None:
    text = written(folder, "raspberry-pi-4b", machine=PI)
    assert text.startswith('id = "raspberry-pi-4b"\n#')
    profile = device_profile("raspberry-pi-4b")
    assert profile.name == "Raspberry Pi 4 Model B"
    assert profile.latency[0].source == latency().source
    assert profile.origin == str(folder / "raspberry-pi-4b.toml")
    again = device_text("raspberry-pi-4b", folder / "raspberry-pi-4b.toml", [latency(threads=1)])
    assert [one["threads"] for one in tomllib.loads(again)["latency"]] == [1, 4]


def test_a_new_phone_says_what_it_is(folder: Path) -> None:
    text = written(folder, "acme-fone-3", machine=PHONE)
    assert "max_mhz = 2400 }" in text
    profile = device_profile("acme-fone-3")
    assert (profile.name, profile.kind, profile.soc) == ("Acme Fone 3", "phone", "X1")
    assert [(one.name, one.cores, one.max_mhz) for one in profile.clusters] == [
        ("big", 2, 2400), ("little", 6, 1800),
    ]  # fmt: skip
    assert profile.ram_bytes() == (4e9, 4e9)
    assert profile.clusters_source.standing == "read"


def test_a_new_board_like_another(folder: Path) -> None:
    sibling = device_profile("raspberry-pi-4b")
    machine = {"board": "Orange Pi 9", "cores": 4, "cpu_model": "Cortex-A72"}
    written(folder, "orange", machine=machine, like=sibling)
    profile = device_profile("orange")
    assert (profile.kind, profile.like, profile.device_tree) == ("board", sibling.id, "Orange Pi 9")
    assert profile.clusters[0].max_mhz == sibling.clusters[0].max_mhz
    assert profile.clusters_source.standing == "guess"


def test_what_a_computer_says_itself_is_no_guess_for_being_like_itself(folder: Path) -> None:
    machine = {"cores": 4, "cpu_model": "Some CPU"}
    written(folder, "pc", machine=machine)
    written(folder, "again", machine=machine, like=device_profile("pc"))
    again = device_profile("again")
    assert (again.clusters[0].cores, again.clusters[0].core) == (4, "Some CPU")
    assert (again.like, again.clusters_source.standing) == ("pc", "read")


def test_a_clock_that_nobody_can_read_is_left_out(folder: Path) -> None:
    text = written(
        folder, "pc", machine={"cores": 4, "cpu_model": "Some CPU", "ram_bytes": 25276518400}
    )
    assert "max_mhz" not in text
    profile = device_profile("pc")
    (cluster,) = profile.clusters
    assert (cluster.cores, cluster.core, cluster.max_mhz) == (4, "Some CPU", None)
    assert "its clock cannot be read there" in profile.clusters_source.source
    assert profile.facts["ram"].value == "25.3 GB"
    written(folder, "pc2", machine={"cores": 4, "cpu_model": "Some CPU"}, max_mhz=3200.0)
    assert device_profile("pc2").clusters[0].max_mhz == 3200
    assert device_profile("pc2").clusters_source.standing == "read"


def test_cores_of_a_sibling_that_the_device_cannot_have_are_not_borrowed(folder: Path) -> None:
    machine = {"cores": 8, "cpu_model": "Some CPU"}
    written(folder, "pc", machine=machine, like=device_profile("raspberry-pi-4b"))
    (cluster,) = device_profile("pc").clusters
    assert (cluster.cores, cluster.core, cluster.max_mhz) == (8, "Some CPU", None)


def test_of_a_device_in_a_table_nothing_is_made_up(folder: Path) -> None:
    path = folder / "eight.toml"
    path.write_text(device_text("eight", path, [latency(cluster="all", threads=8)]))
    profile = device_profile("eight")
    (cluster,) = profile.clusters
    assert (cluster.cores, cluster.core, cluster.max_mhz) == (8, "unknown", None)
    assert profile.clusters_source.standing == "guess"
    assert profile.latency[0].threads == 8


@pytest.mark.parametrize(
    ("size_bytes", "said"), [(512e6, "512 MB"), (1.95e9, "1.95 GB"), (8.2e9, "8.2 GB")]
)
def test_memory_is_written_as_a_person_would(folder: Path, size_bytes: float, said: str) -> None:
    written(folder, "pc", machine={"cores": 4, "ram_bytes": size_bytes})
    assert device_profile("pc").facts["ram"].value == said


def test_what_people_wrote_and_other_runs_are_kept(folder: Path) -> None:
    path = write_device(folder, [latency(threads=1), latency(threads=4)])
    above = path.read_text().split("# Written by")[0] + "# my own remark\n"
    path.write_text(above + path.read_text()[len(above) - len("# my own remark\n") :])
    new = latency(0.2, threads=4, source="measured anew")
    text = device_text("test-board", path, [new])
    assert text.startswith(above)
    entries = tomllib.loads(text)["latency"]
    assert [(one["threads"], one["source"]) for one in entries] == [
        (4, "measured anew"), (1, latency().source),
    ]  # fmt: skip


def test_a_damaged_file_is_told_before_it_is_replaced(folder: Path) -> None:
    path = folder / "mine.toml"
    path.write_text("id = ")
    with pytest.raises(BadInputError, match=r"mine\.toml"):
        device_text("mine", path, [latency()])


def test_where_a_file_goes_and_what_stands_in_the_way(folder: Path, tmp_path: Path) -> None:
    path = folder / "mine.toml"
    assert check_place("mine", None, force=False) == path
    written(folder, "mine", machine=PHONE)
    with pytest.raises(OutputError, match=r"mine has a file already .* --force replaces"):
        check_place("mine", None, force=False)
    assert check_place("mine", None, force=True) == path
    assert check_place("mine", tmp_path / "new" / "mine.toml", force=False).parent.is_dir()
    with pytest.raises(BadInputError, match=r"must be called mine\.toml, not other\.toml"):
        check_place("mine", tmp_path / "other.toml", force=False)
    with pytest.raises(BadInputError, match="cannot be a device's id"):
        check_place("My Board", None, force=False)
    (tmp_path / "mine.toml").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_place("mine", tmp_path / "mine.toml", force=True)
    (folder / "mine.calibration.json").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_place("mine", None, force=True)
    (folder / "damaged.toml").write_text("id = ")
    with pytest.raises(BadInputError, match=r"damaged\.toml"):
        check_place("damaged", tmp_path / "new" / "damaged.toml", force=False)


def test_a_file_elsewhere_of_an_own_device_is_whole(folder: Path, tmp_path: Path) -> None:
    own = write_device(folder, [latency(threads=1), latency(threads=4)])
    elsewhere = tmp_path / "new" / own.name
    new = latency(0.2, threads=4, source="measured anew")
    assert check_place("test-board", elsewhere, force=False) == elsewhere
    text = device_text("test-board", elsewhere, [new])
    assert text.startswith(own.read_text().split("# Written by")[0])
    assert [one["source"] for one in tomllib.loads(text)["latency"]] == [
        "measured anew", latency().source,
    ]  # fmt: skip
    elsewhere.write_text(text)
    own.write_text(text)
    assert device_profile("test-board").latency[0].source == "measured anew"


@pytest.mark.parametrize(
    ("device_id", "machine", "what"),
    [
        ("raspberry-pi-4b", {"board": None, "machine": "x86_64"}, "x86_64 cores"),
        ("raspberry-pi-4b", {"board": "Raspberry Pi 5 Model B", "machine": "aarch64"}, "a Raspb"),
        ("raspberry-pi-4b", PHONE, "a phone"),
        ("pixel-4", {"board": None, "machine": "aarch64"}, "no phone"),
    ],
)
def test_a_known_device_is_not_another_machine(
    device_id: str, machine: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=f"{what}.* --id, and --like {device_id}"):
        check_is(device_id, machine)


def test_what_may_have_a_known_devices_id() -> None:
    assert not check_is("raspberry-pi-4b", {**PI, "machine": "aarch64"})
    assert not check_is("raspberry-pi-4b", {"board": None, "machine": "armv7l"})
    assert not check_is("pixel-4", {**PHONE, "machine": "aarch64"})
    assert not check_is("my-computer", {"machine": "x86_64"})
    emulated = {"machine": "x86_64", "emulated": True}
    assert "an emulator was measured" in check_is("raspberry-pi-4b", emulated)


def test_a_table_has_no_record_beside_its_file(folder: Path) -> None:
    path = folder / "mine.toml"
    record = write_calibration(path, "text\n", None, force=False)
    assert path.read_text() == "text\n"
    assert not record.exists()
    with pytest.raises(OutputError):
        write_calibration(path, "other\n", None, force=False)
    assert path.read_text() == "text\n"
