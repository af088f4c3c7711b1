"""Bundles: what is in them, when none is built, and that two builds are one."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.errors import BadInputError, OutputError, UsageError
from edge_deploy_runner.tflite.model_file import ModelFile
from edge_deploy_runner.toml import tomllib
from golden_keys import check_golden
from small_bundle import HERE, small_bundle, small_site, unpacked
from small_models_photo import COLOR_LABELS, color_classifier, write_model, write_photo

from edge_deploy.bundle_files.installer.bundle_reading import check_bundle
from edge_deploy.bundles import raspberry_pi
from edge_deploy.bundles.bundling import Bundle, GateError, bundle
from edge_deploy.bundles.targets import BundleTarget
from edge_deploy.bundles.wheels import SiteArchive, WheelPlatform

ARMV7 = BundleTarget("armv7", "a 32-bit system", WheelPlatform((3, 11), "armv7l"))


def write_verdict(
    folder: Path, sha256: str, status: str = "pass", evidence: str = "measured",
    architecture: str | None = None,
) -> Path:  # fmt: skip
    checks = [
        {"metric": "size", "status": "pass", "evidence": "measured"},
        {"metric": "latency_p90", "status": status, "evidence": evidence},
    ]
    path = folder / "verdict.json"
    record = {
        "format": "edge-deploy verdict", "version": 1, "status": status, "budget": "b.toml",
        "model": {"name": "colors", "sha256": sha256}, "device": "local", "checks": checks,
        "architecture": architecture,
    }  # fmt: skip
    path.write_text(json.dumps(record))
    return path


def members(made: Bundle) -> list[tarfile.TarInfo]:
    with tarfile.open(made.path) as archive:
        return archive.getmembers()


def test_two_builds_are_the_same(tmp_path: Path) -> None:
    first = small_bundle(tmp_path / "a")
    second = small_bundle(tmp_path / "b")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == hashlib.sha256(second.path.read_bytes()).hexdigest()


def test_nothing_of_this_machine_is_in_the_archive(tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    listed = members(made)
    names = [member.name for member in listed]
    assert names[:2] == ["colors-this-machine/manifest.json", "colors-this-machine/manifest.sha256"]
    assert names[2:] == sorted(names[2:])
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in listed} == {(0, 0, 0, "", "")}
    assert {m.mode for m in listed} == {0o644, 0o755}
    header = made.path.read_bytes()[:10]
    assert header[3] == 0  # no name
    assert header[4:8] == bytes(4)  # no date


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    folder = unpacked(made, tmp_path / "u")
    assert check_bundle(made.path) == made.manifest
    files = made.manifest["files"]
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == {*files, "manifest.json", "manifest.sha256"}
    for name, record in files.items():
        data = (folder / name).read_bytes()
        assert record["sha256"] == hashlib.sha256(data).hexdigest()
        assert record["size_bytes"] == len(data)
    assert made.installed_bytes == sum(record["size_bytes"] for record in files.values())
    for name in ("install.py", "model/colors.tflite", "golden/golden.json", "service.toml",
                 "colors.service", "bin/edge-deploy-runner", "README.txt",
                 "runner/edge_deploy_runner/__main__.py", "site/ballast/part0.bin"):  # fmt: skip
        assert name in files
    assert made.manifest["model"]["sha256"] == files["model/colors.tflite"]["sha256"]


def test_the_id_is_that_of_the_content(tmp_path: Path) -> None:
    one = small_bundle(tmp_path / "a")
    other = small_bundle(tmp_path / "b", service=_service(tmp_path, "threshold = 0.5"))
    assert one.manifest["id"] != other.manifest["id"]


def test_without_a_verdict_it_is_ungated(tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    assert made.manifest["gated"] is False
    assert made.manifest["verdict"] is None
    assert not made.gated


def test_a_passing_verdict(tmp_path: Path) -> None:
    sha256 = ModelFile.open(write_model(tmp_path)).sha256
    made = small_bundle(tmp_path, verdict=write_verdict(tmp_path, sha256))
    assert made.gated
    assert made.manifest["verdict"]["checks"] == ["size pass", "latency_p90 pass"]


def test_a_verdict_of_another_architecture_is_doubted(tmp_path: Path) -> None:
    sha256 = ModelFile.open(write_model(tmp_path)).sha256
    here = HERE.platform.machine
    for architecture, doubted in ((None, False), (here, False), ("riscv64", True)):
        verdict = write_verdict(tmp_path, sha256, architecture=architecture)
        made = small_bundle(tmp_path, verdict=verdict)
        assert made.gated
        assert made.manifest["verdict"]["architecture"] == architecture
        assert made.manifest["verdict"]["evidence"] == ["measured"]
        assert made.manifest["warnings"] == list(made.warnings)
        assert len(made.warnings) == doubted
    assert "local, a machine of architecture riscv64" in made.warnings[0]


def test_a_simulated_verdict_is_doubted(tmp_path: Path) -> None:
    sha256 = ModelFile.open(write_model(tmp_path)).sha256
    made = small_bundle(tmp_path, verdict=write_verdict(tmp_path, sha256, evidence="simulated"))
    assert made.manifest["verdict"]["evidence"] == ["measured", "simulated"]
    assert made.manifest["warnings"] == list(made.warnings)
    assert "simulated" in made.warnings[0]


def test_the_verdict_in_a_measurement(tmp_path: Path) -> None:
    sha256 = ModelFile.open(write_model(tmp_path)).sha256
    verdict = json.loads(write_verdict(tmp_path, sha256).read_text())
    path = tmp_path / "measurement.json"
    path.write_text(json.dumps({"format": "edge-deploy measurement", "verdict": verdict}))
    assert small_bundle(tmp_path, verdict=path).gated
    for without in ({}, {"verdict": None}):
        path.write_text(json.dumps({"format": "edge-deploy measurement", **without}))
        with pytest.raises(BadInputError, match="a measurement without a verdict; give --budget"):
            small_bundle(tmp_path, verdict=path)


@pytest.mark.parametrize("status", ["fail", "inconclusive", "unmeasured"])
def test_another_verdict_builds_nothing(tmp_path: Path, status: str) -> None:
    sha256 = ModelFile.open(write_model(tmp_path)).sha256
    with pytest.raises(GateError, match=f"latency_p90 {status}") as caught:
        small_bundle(tmp_path, verdict=write_verdict(tmp_path, sha256, status))
    assert caught.value.exit_code == 1
    assert list(tmp_path.glob("*this-machine*")) == []


def test_a_verdict_about_another_model(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="another model"):
        small_bundle(tmp_path, verdict=write_verdict(tmp_path, "0" * 64))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "edge-deploy card"}', "null"])
def test_a_file_that_is_no_verdict(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(BadInputError, match="no verdict"):
        small_bundle(tmp_path, verdict=tmp_path / "v.json")


def test_a_contract_and_labels_are_put_into_the_model(tmp_path: Path) -> None:
    """On the device no option is needed."""
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(color_classifier(contract=False))
    made = small_bundle(
        tmp_path, "bare", model=bare, preprocessing=PRESETS["mobilenet"], labels=COLOR_LABELS
    )
    folder = unpacked(made, tmp_path / "u")
    classifier = Classifier(folder / "model" / "bare.tflite")
    assert classifier.labels == COLOR_LABELS
    assert classifier.classify(write_photo(tmp_path, "green")).top[0].label == "green"
    assert made.manifest["model"]["source_sha256"] == ModelFile.open(bare).sha256
    assert made.manifest["model"]["sha256"] != made.manifest["model"]["source_sha256"]


def test_another_contract_needs_override(tmp_path: Path) -> None:
    other = PRESETS["mobilenet"]._replace(resize="box")
    with pytest.raises(BadInputError, match="--override"):
        small_bundle(tmp_path, preprocessing=other)
    made = small_bundle(tmp_path, preprocessing=other, override=True)
    model = unpacked(made, tmp_path / "u") / "model" / "colors.tflite"
    assert Classifier(model).photo_contract().resize == "box"


def test_a_model_without_any_contract(tmp_path: Path) -> None:
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(color_classifier(contract=False))
    made = small_bundle(tmp_path, "bare", model=bare)
    assert not [name for name in made.manifest["files"] if name.startswith("golden/photo")]


def _service(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(f'source = "camera:0"\n{text}\n')
    return path


def texts(made: Bundle, folder: Path) -> tuple[dict[str, Any], str]:
    where = unpacked(made, folder)
    return tomllib.loads((where / "service.toml").read_text()), (
        where / "colors.service"
    ).read_text()


def test_the_service_by_default_watches_a_folder(tmp_path: Path) -> None:
    config, unit = texts(small_bundle(tmp_path), tmp_path / "u")
    assert config["model"] == "model/colors.tflite"
    assert config["source"] == "watch:@STATE@/incoming"
    assert " serve --config @FOLDER@/service.toml\n" in unit  # not of any one version
    for line in ("Type=notify", "ProtectSystem=strict", "PrivateNetwork=yes", "ProtectHome=yes",
                 "StateDirectory=edge-deploy/colors",
                 "LogsDirectory=edge-deploy/colors", "NoNewPrivileges=yes", "PrivateTmp=yes",
                 "NotifyAccess=main", "Restart=on-failure"):  # fmt: skip
        assert line in unit.splitlines()
    assert "WatchdogSec=" in unit
    assert "AF_INET" not in unit
    assert "MemoryMax" not in unit


def test_only_mqtt_opens_the_network(tmp_path: Path) -> None:
    sink = '[[sink]]\ntype = "mqtt"\nhost = "broker"\ntopic = "t"'
    made = small_bundle(tmp_path, service=_service(tmp_path, sink))
    _, unit = texts(made, tmp_path / "u")
    assert "PrivateNetwork=no" in unit.splitlines()
    assert "AF_INET" in unit
    assert made.manifest["service"]["private_network"] is False


def test_the_budgets_memory_limit_goes_to_the_service(tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\npeak_memory = "100 MB"\n')
    made = small_bundle(tmp_path, budget=budget, service=_service(tmp_path, "[limits]"))
    config, unit = texts(made, tmp_path / "u")
    assert config["limits"]["memory"] == "196000000 B"  # with Python, numpy, Pillow, the runtime
    assert made.manifest["limits"]["memory_bytes"] == 196_000_000
    assert "MemoryMax=245000000" in unit.splitlines()


def test_the_users_memory_limit_goes_first(tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text('[limits]\npeak_memory = "100 MB"\n')
    service = _service(tmp_path, '[limits]\nmemory = "70 MB"')
    made = small_bundle(tmp_path, budget=budget, service=service)
    assert made.manifest["limits"]["memory_bytes"] == 70_000_000


def test_the_users_model_line_is_replaced(tmp_path: Path) -> None:
    service = _service(tmp_path, 'model = "../elsewhere/x.tflite"')
    config, _ = texts(small_bundle(tmp_path, service=service), tmp_path / "u")
    assert config["model"] == "model/colors.tflite"


def test_an_mqtt_sink_brings_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    asked: list[tuple[str, ...]] = []

    def note(_platform: WheelPlatform, *, extra: tuple[str, ...], **_: object) -> SiteArchive:
        asked.append(extra)
        return small_site(tmp_path)

    monkeypatch.setattr(raspberry_pi, "site_archive", note)
    mqtt = _service(tmp_path, '[[sink]]\ntype = "mqtt"\nhost = "broker"\ntopic = "t"')
    small_bundle(tmp_path, site=None, service=mqtt)
    small_bundle(tmp_path, site=None)
    assert asked == [("paho-mqtt",), ()]


def test_a_model_line_that_cannot_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="write the model as a line"):
        small_bundle(tmp_path, service=_service(tmp_path, '"model" = "x.tflite"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not TOML"),
        ("colour = 1", "colour"),
        ('labels = "l.txt"', "--labels"),
        ("threshold = 7", "threshold"),
        ('[[sink]]\ntype = "fax"', "fax"),
    ],
)
def test_a_service_that_serve_would_refuse(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        small_bundle(tmp_path, service=_service(tmp_path, text))


def test_a_service_that_reads_from_a_home_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('source = "watch:/home/pi/photos"\n')
    made = small_bundle(tmp_path, service=path)
    assert "/home/pi/photos" in made.warnings[0]
    _, unit = texts(made, tmp_path / "u")
    assert "ProtectHome=read-only" in unit.splitlines()


def test_an_existing_bundle_stays(tmp_path: Path) -> None:
    made = small_bundle(tmp_path)
    before = made.path.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        small_bundle(tmp_path, force=False)
    assert made.path.read_bytes() == before


def test_an_output_that_is_no_bundles_name(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    with pytest.raises(OutputError, match=r"\.tar\.gz"):
        bundle(model, HERE, tmp_path / "x.zip", site=small_site(tmp_path))


def test_a_folder_to_be_is_made(tmp_path: Path) -> None:
    model, site = write_model(tmp_path), small_site(tmp_path)
    made = bundle(model, HERE, f"{tmp_path}/new/", site=site)
    assert made.path.parent == tmp_path / "new"


def test_an_unknown_target_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rpi-bookworm, rpi-bookworm-armv7, rpi-trixie"):
        bundle(write_model(tmp_path), "rpi-bullseye", tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "-x", "x" * 65, "a/b", "ä"])
def test_names_that_are_no_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        bundle(write_model(tmp_path), HERE, tmp_path, name=name, site=small_site(tmp_path))


def test_a_file_that_no_name_can_be_made_of(tmp_path: Path) -> None:
    model = write_model(tmp_path, "模型.tflite")
    with pytest.raises(BadInputError, match="--name"):
        bundle(model, HERE, tmp_path, site=small_site(tmp_path))
    made = bundle(model, HERE, tmp_path, name="model", site=small_site(tmp_path))
    assert made.name == "model"


def test_a_name_is_made_of_the_models(tmp_path: Path) -> None:
    model = write_model(tmp_path, "my model (2).tflite")
    made = bundle(model, HERE, tmp_path, site=small_site(tmp_path))
    assert made.name == "my-model-2"


def test_json(tmp_path: Path) -> None:
    record = json.loads(json.dumps(small_bundle(tmp_path).to_json()))
    assert set(record) == {
        "path", "sha256", "size_bytes", "installed_bytes", "files", "manifest", "warnings"
    }  # fmt: skip
    assert "files" not in record["manifest"]
    check_golden("bundle_keys.json", record)
