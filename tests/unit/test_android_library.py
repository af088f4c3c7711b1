"""Libraries for apps: what is in them, and that two builds are one."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from edge_deploy_android.archives.aligned_zip import PAGE_BYTES
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.errors import OutputError
from edge_deploy_runner.tflite.model_file import ModelFile
from golden_keys import check_golden
from PIL import Image
from small_library import MODEL, content, data_offset, made_in
from small_models_photo import (
    COLOR_LABELS,
    color_classifier,
    write_model,
)

from edge_deploy.bundles import android_assets
from edge_deploy.bundles.bundling import bundle

ANDROID = "{http://schemas.android.com/apk/res/android}"


def test_two_builds_are_the_same(tmp_path: Path) -> None:
    for target, suffix in (("android-aar", ".aar"), ("android-module", ".zip")):
        first = bundle(write_model(tmp_path), target, tmp_path / f"a/x{suffix}")
        second = bundle(write_model(tmp_path), target, tmp_path / f"b/x{suffix}")
        assert first.path.read_bytes() == second.path.read_bytes()
        assert first.sha256 == hashlib.sha256(second.path.read_bytes()).hexdigest()
        assert first.size_bytes == second.path.stat().st_size


def test_no_compression_has_a_say(tmp_path: Path) -> None:
    """Another zlib packs otherwise: nothing may be packed, in the jars inside neither."""
    for target, suffix in (("android-aar", ".aar"), ("android-module", ".zip")):
        made = bundle(write_model(tmp_path), target, tmp_path / f"x{suffix}")
        archives = [made.path.read_bytes()]
        archives += [data for name, data in content(made).items() if name.endswith(".jar")]
        assert len(archives) == (3 if suffix == ".aar" else 1)
        for data in archives:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                infos = archive.infolist()
            assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
            assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}


def test_what_an_aar_holds(tmp_path: Path) -> None:
    made = made_in(tmp_path)
    assert made.path == tmp_path / "colors.aar"
    files = content(made)
    assert list(files)[:4] == ["AndroidManifest.xml", "classes.jar", "R.txt", "proguard.txt"]
    assert files["R.txt"] == b""
    manifest = ElementTree.fromstring(files["AndroidManifest.xml"])
    assert manifest.get("package") == "dev.edgedeploy.colors"
    assert manifest.find("uses-sdk").get(f"{ANDROID}minSdkVersion") == "26"  # type: ignore[union-attr]
    metadata = files["META-INF/com/android/build/gradle/aar-metadata.properties"].decode()
    assert "aarFormatVersion=1.0\n" in metadata
    assert "@" not in metadata
    assert b"org.tensorflow.lite" in files["proguard.txt"]
    assert files[MODEL] == write_model(tmp_path).read_bytes()
    readme = files["README.md"].decode()
    for words in ("com.google.ai.edge.litert:litert:1.4.0", "Duplicate class", "noCompress",
                  "dev.edgedeploy.colors.Classifier", "Play AI pack", "Not seen on a phone",
                  "rotationDegrees", "libs/colors.aar"):  # fmt: skip
        assert words in readme
    tests = [name for name in files if name.startswith("edge-deploy/androidTest/")]
    assert tests
    for name in tests:
        assert name.startswith("edge-deploy/androidTest/dev/edgedeploy/colors/")
        assert b"package dev.edgedeploy.colors;" in files[name]


def test_the_model_lies_at_a_page(tmp_path: Path) -> None:
    data = made_in(tmp_path).path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(MODEL)
    assert info.compress_type == zipfile.ZIP_STORED
    assert data_offset(data, info) % PAGE_BYTES == 0


def test_the_classes_have_the_models_package_and_name(tmp_path: Path) -> None:
    made = made_in(tmp_path, package="com.example.mine", name="petals")
    for jar in ("classes.jar", "edge-deploy/sources.jar"):
        with zipfile.ZipFile(io.BytesIO(content(made)[jar])) as archive:
            names = archive.namelist()
            texts = [archive.read(name) for name in names]
        assert names
        assert all(name.startswith("com/example/mine/") for name in names)
        for text in texts:
            assert b"dev/edgedeploy/classifier" not in text
            assert b"dev.edgedeploy.classifier" not in text
            assert b"edge_deploy_model_name" not in text
        assert sum(b"petals" in text for text in texts) == 1
    assert set(made.manifest["target"]) == {"name", "system", "package", "min_sdk"}
    assert made.manifest["target"]["package"] == "com.example.mine"
    assert "assets/edge-deploy/petals/petals.tflite" in content(made)


def test_a_name_that_is_a_package(tmp_path: Path) -> None:
    """Neither the wrapper's own package as a name nor as the package wanted is in the way."""
    made = made_in(tmp_path, name="dev.edgedeploy.classifier")
    assert made.manifest["target"]["package"] == "dev.edgedeploy.dev_edgedeploy_classifier"
    with zipfile.ZipFile(io.BytesIO(content(made)["classes.jar"])) as archive:
        named = archive.read("dev/edgedeploy/dev_edgedeploy_classifier/ModelName.class")
    assert b"dev.edgedeploy.classifier" in named
    for package in (
        "dev.edgedeploy.classifier",
        "dev.edgedeploy.classifier.mine",
        "dev.edgedeploy",
    ):
        made = made_in(tmp_path, package=package, force=True)
        with zipfile.ZipFile(io.BytesIO(content(made)["classes.jar"])) as archive:
            assert f"{package.replace('.', '/')}/ModelName.class" in archive.namelist()


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    for target in ("android-aar", "android-module"):
        made = made_in(tmp_path, target)
        files = content(made)
        assert json.loads(files.pop("manifest.json")) == made.manifest
        listed = made.manifest["files"]
        assert listed.keys() == files.keys()
        for name, data in files.items():
            assert listed[name]["sha256"] == hashlib.sha256(data).hexdigest()
            assert listed[name]["size_bytes"] == len(data)
        model = made.manifest["model"]
        assert model["sha256"] == hashlib.sha256(files[model["file"]]).hexdigest()


def test_the_contract_of_an_integer_model(tmp_path: Path) -> None:
    model = write_model(tmp_path, dtype="uint8")
    files = content(made_in(tmp_path, model=model))
    record = json.loads(files["assets/edge-deploy/colors/contract.json"])
    (source,), (target,) = ModelFile.open(model).inputs, ModelFile.open(model).outputs
    assert record["input"] == {
        "shape": [1, 16, 24, 3], "dtype": "uint8", "scale": source.scales[0],
        "zero_point": source.zero_points[0], "layout": "NHWC",
    }  # fmt: skip
    assert np.float32(record["input"]["scale"]) == np.float32(source.scales[0])
    assert record["output"] == {
        "shape": [1, 3], "dtype": "uint8", "scale": target.scales[0],
        "zero_point": target.zero_points[0],
    }  # fmt: skip
    assert record["model"]["sha256"] == ModelFile.open(model).sha256
    assert record["scores"] == "probabilities"
    assert record["labels"] == "labels.txt"
    assert files["assets/edge-deploy/colors/labels.txt"] == b"red\ngreen\nblue\n"
    assert record["preprocessing"] == PRESETS["mobilenet"].to_json()


def test_golden_files_are_those_that_an_app_can_use(tmp_path: Path) -> None:
    files = content(made_in(tmp_path))
    folder = "assets/edge-deploy/colors/golden/"
    golden = {name.removeprefix(folder): files[name] for name in files if name.startswith(folder)}
    record = json.loads(golden["golden.json"])
    (only,) = record["sets"]
    assert only["kernels"] == "xnnpack"
    assert "ai_edge_litert" in only["runtimes"]
    assert {"photo.png", "photo.jpg", "golden.json"} <= golden.keys()
    assert not [name for name in golden if name.startswith("reference")]
    classifier = Classifier(write_model(tmp_path))
    for case in only["cases"]:
        tensor = np.load(io.BytesIO(golden[record["inputs"][case["input"]][0]]))
        wanted = np.load(io.BytesIO(golden[case["outputs"][0]["file"]]))
        assert np.array_equal(classifier.scores(tensor), wanted.reshape(-1))
    with Image.open(io.BytesIO(golden["photo.png"])) as photo:
        tensor = classifier.prepare(photo)
    assert np.array_equal(tensor, np.load(io.BytesIO(golden["photo-png.npy"])))


def test_logits_are_told_from_probabilities(tmp_path: Path) -> None:
    ends = ModelFile(color_classifier()).graph
    assert android_assets._ends_in_probabilities(ends)
    logits = ends._replace(outputs=(ends.operators[-1].inputs[0],))
    assert not android_assets._ends_in_probabilities(logits)


def test_background_labels_are_complete(tmp_path: Path) -> None:
    """A label file that leaves the background class out: the app gets a line for every output."""
    model = tmp_path / "bare.tflite"
    model.write_bytes(color_classifier(contract=False, classes=4))
    contract = PRESETS["mobilenet"]._replace(background_class=True)
    made = made_in(tmp_path, model=model, preprocessing=contract, labels=COLOR_LABELS)
    labels = content(made)["assets/edge-deploy/bare/labels.txt"]
    assert labels == b"background\nred\ngreen\nblue\n"


def test_what_a_module_holds(tmp_path: Path) -> None:
    made = made_in(tmp_path, "android-module", package="com.example.mine")
    assert made.path == tmp_path / "colors-android-module"
    files = content(made)
    build = files["build.gradle.kts"].decode()
    for words in (
        'namespace = "com.example.mine"',
        "minSdk = 26",
        'noCompress += "tflite"',
        'api("com.google.ai.edge.litert:litert:1.4.0")',
        "consumer-rules.pro",
    ):
        assert words in build
    assert len(files["README.md"].decode().splitlines()) <= 12
    assert ':colors-android-module"' in files["README.md"].decode()
    assert files["src/main/assets/edge-deploy/colors/colors.tflite"]
    name = files["src/main/java/com/example/mine/ModelName.java"].decode()
    assert "package com.example.mine;" in name
    assert 'return "colors";' in name
    for folder, suffix in (("main/java", ".java"), ("main/kotlin", ".kt"),
                           ("androidTest/java", ".java")):  # fmt: skip
        found = [path for path in files if path.startswith(f"src/{folder}/")]
        assert found
        for path in found:
            assert path.startswith(f"src/{folder}/com/example/mine/")
            assert path.endswith(suffix)
            named = path.removeprefix(f"src/{folder}/").rpartition("/")[0].replace("/", ".")
            assert f"\npackage {named}" in "\n" + files[path].decode()
            assert b"dev.edgedeploy.classifier" not in files[path]
    assert made.sha256 == hashlib.sha256(files["manifest.json"]).hexdigest()
    assert made.size_bytes == sum(len(data) for data in files.values())
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_module_as_zip(tmp_path: Path) -> None:
    folder = content(made_in(tmp_path, "android-module"))
    zipped = bundle(write_model(tmp_path), "android-module", tmp_path / "petals.zip")
    found = content(zipped)
    assert {name.partition("/")[0] for name in found} == {"petals"}
    assert found["petals/README.md"] != folder["README.md"]  # it tells the folder's name
    for name in folder.keys() - {"README.md", "manifest.json"}:
        assert found[f"petals/{name}"] == folder[name]


def test_a_module_is_replaced_whole_and_nothing_else_is(tmp_path: Path) -> None:
    made = made_in(tmp_path, "android-module")
    kept = made.path.stat().st_ino
    with pytest.raises(OutputError, match="--force"):
        made_in(tmp_path, "android-module")
    assert made.path.stat().st_ino == kept
    (made.path / "README.md").unlink()
    (made.path / "build" / "outputs").mkdir(parents=True)  # as Gradle does
    (made.path / "build" / "outputs" / "x.aar").touch()
    (made.path / "src" / ".DS_Store").touch()
    again = made_in(tmp_path, "android-module", force=True)
    assert again.path == made.path
    assert (made.path / "README.md").exists()
    assert not (made.path / "build").exists()
    into_itself = bundle(write_model(tmp_path), "android-module", made.path, force=True)
    assert into_itself.path == made.path
    other = tmp_path / "x" / "colors-android-module"
    other.mkdir(parents=True)
    (other / "precious.txt").touch()
    for manifest in (None, '{"name": "a web page", "icons": []}', "[", '{"files": {"a": 1}}'):
        if manifest is not None:
            (other / "manifest.json").write_text(manifest)
        with pytest.raises(OutputError, match="something else"):
            bundle(write_model(tmp_path), "android-module", tmp_path / "x", force=True)
        assert (other / "precious.txt").exists()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("build.gradle.kts", "build.gradle.kts"),
        ("MyNotes.txt", "MyNotes.txt"),
        ("src/main/java/com/example/build/ModelName.java", None),
        ("src/main/java/com/example/build/Mine.java", None),
        ("src/main/res/values/strings.xml", "src/main/res/"),
        ("src/build/x.txt", "src/build/"),
    ],
)
def test_changes_of_the_developers_stay(tmp_path: Path, path: str, named: str | None) -> None:
    """Whatever was edited or put in, `--force` names it and touches nothing."""
    module = made_in(tmp_path, "android-module", package="com.example.build").path
    (module / path).parent.mkdir(parents=True, exist_ok=True)
    with (module / path).open("a") as file:
        file.write("// mine")
    with pytest.raises(OutputError) as caught:
        made_in(tmp_path, "android-module", package="com.example.build", force=True)
    assert str(caught.value) == (
        f"{module} holds changes of yours ({named or path}); move them away, or write elsewhere"
    )
    assert (module / path).read_text().endswith("// mine")


def test_many_changes_are_named_in_part(tmp_path: Path) -> None:
    module = made_in(tmp_path, "android-module").path
    for number in range(7):
        (module / f"note{number}.txt").touch()
    with pytest.raises(OutputError, match=r"note4\.txt and 2 more\)"):
        made_in(tmp_path, "android-module", force=True)
    assert (module / "note6.txt").exists()


@pytest.mark.parametrize("words", ["colors.aar", "my-$flowers.aar"])
def test_the_readme_calls_the_aar_by_its_name(tmp_path: Path, words: str) -> None:
    made = bundle(write_model(tmp_path), "android-aar", tmp_path / words)
    readme = content(made)["README.md"].decode()
    assert f"Copy `{words}`" in readme
    escaped = words.replace("$", "\\$")
    assert f'implementation(files("libs/{escaped}"))' in readme
    for text in ("another package for each", 'check(classifier.selfTest().passed()) { "the',
                 "testInstrumentationRunner", "androidx.test:runner", "junit:junit",
                 "app module alone", "selfTest()` then throws"):  # fmt: skip
        assert text in readme


def test_the_readme_of_a_module(tmp_path: Path) -> None:
    readme = content(made_in(tmp_path, "android-module"))["README.md"].decode()
    for text in ("another package for each", "selfTest().passed()) {", "apply false", "keep it"):
        assert text in readme


def test_json(tmp_path: Path) -> None:
    record = json.loads(json.dumps(made_in(tmp_path).to_json()))
    assert "files" not in record["manifest"]
    check_golden("bundle_android_keys.json", record)
    module = json.loads(json.dumps(made_in(tmp_path, "android-module").to_json()))
    check_golden("bundle_android_keys.json", module)
