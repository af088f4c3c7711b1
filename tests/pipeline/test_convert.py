"""`convert` end to end: every source format, every recipe, with its proofs and its card."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ASSETS, edge_deploy
from edge_deploy_converters.conversion import ProofError, convert
from edge_deploy_converters.frontend_child import Options
from edge_deploy_converters.recipes import RECIPES, Recipe, Rule
from edge_deploy_runner import ModelFile, read_contract
from edge_deploy_runner.contract import PRESETS, read_labels
from edge_deploy_runner.errors import BadInputError, OutputError, UsageError
from edge_deploy_runner.interpreter import LoadedModel

DIGITS = ASSETS / "digits_mobilenet_v2.keras"
CALIBRATION = ASSETS / "digits_calibration.npz"
LABELS = read_labels(ASSETS / "digits_labels.txt")
pytestmark = pytest.mark.xdist_group("tensorflow")

FORMATS = [
    "digits.keras",
    "keras3.h5",
    "keras3_groups.h5",
    "keras3_export",
    "legacy.h5",
    "legacy_groups.h5",
    "legacy_saved_model",
    "plain_saved_model",
    "frozen.pb",
    "rank2.keras",
    "two_inputs.keras",
]


@pytest.mark.parametrize("name", FORMATS)
def test_every_source_format_becomes_a_proven_float32_model(
    sources: Path, tmp_path: Path, name: str
) -> None:
    (model,) = convert(sources / name, tmp_path, ["float32"]).models
    assert model.proof.passed
    assert model.proof.cosine == pytest.approx(1.0, abs=1e-5)
    file = ModelFile.open(model.path)
    assert file.signatures
    assert all(tensor.shape[0] == 1 for tensor in file.inputs)
    assert not any(tensor.is_dynamic for tensor in file.inputs)


def test_a_float_tflite_is_a_source_too(digits_models: Path, tmp_path: Path) -> None:
    source = digits_models / "digits_mobilenet_v2_float32.tflite"
    (model,) = convert(source, tmp_path, ["int8"], calibration=CALIBRATION).models
    assert model.proof.passed
    contract = read_contract(ModelFile.open(model.path))
    assert contract.preprocessing == PRESETS["mobilenet"]  # carried over from the source
    assert contract.labels == LABELS


def test_a_tflite_with_an_open_batch_gets_a_batch_of_one(tmp_path: Path) -> None:
    from small_models_photo import Builder

    builder = Builder()
    x = builder.tensor("x", (1, 4), signature=(-1, 4))
    weights = builder.tensor("w", (2, 4), data=np.arange(8).reshape(2, 4) / 8)
    bias = builder.tensor("b", (2,), data=np.ones(2))
    y = builder.tensor("y", (1, 2), signature=(-1, 2))
    builder.operator("FULLY_CONNECTED", [x, weights, bias], [y])
    source = tmp_path / "open.tflite"
    source.write_bytes(builder.pack([x], [y]))
    assert ModelFile.open(source).inputs[0].is_dynamic
    (model,) = convert(source, tmp_path / "out", ["float32"]).models
    file = ModelFile.open(model.path)
    assert not file.inputs[0].is_dynamic
    assert file.inputs[0].shape == (1, 4)
    assert file.signatures


def test_all_eight_recipes_pass_their_proofs(digits_models: Path) -> None:
    cards = {path.stem.split("v2_")[1]: path for path in digits_models.glob("*.json")}
    assert sorted(cards) == sorted(RECIPES)
    for name, path in cards.items():
        card = json.loads(path.read_text())
        data = path.with_suffix(".tflite").read_bytes()
        assert card["model"]["sha256"] == hashlib.sha256(data).hexdigest()
        assert card["model"]["size_bytes"] == len(data)
        assert card["proof"]["status"] == "passed", card["proof"]
        assert card["source"]["sha256"] == hashlib.sha256(DIGITS.read_bytes()).hexdigest()
        assert card["recipe"]["name"] == name
        assert card["versions"]["tensorflow"]
        assert (card["calibration"] is None) == (name in ("float32", "float16"))


@pytest.mark.parametrize(
    ("recipe", "dtype", "scale", "zero_point"),
    [
        ("int8", "int8", 1 / 127.5, -1),
        ("uint8", "uint8", 1 / 127.5, 127),
        ("int16x8", "int16", 128 / 127.5 / 32767, 0),
        ("int8-float-io", "float32", None, None),
        ("float16", "float32", None, None),
    ],
)
def test_the_inputs_scale_is_the_contracts(
    digits_models: Path, recipe: str, dtype: str, scale: float | None, zero_point: int | None
) -> None:
    tensor = ModelFile.open(digits_models / f"digits_mobilenet_v2_{recipe}.tflite").inputs[0]
    assert tensor.dtype == dtype
    if scale is None:
        assert tensor.scales == ()
    else:
        assert tensor.scales[0] == pytest.approx(scale, rel=1e-6)
        assert tensor.zero_points == (zero_point,)


def test_sizes_follow_the_recipe(digits_models: Path) -> None:
    size = {
        recipe: (digits_models / f"digits_mobilenet_v2_{recipe}.tflite").stat().st_size
        for recipe in RECIPES
    }
    assert size["float16"] < 0.6 * size["float32"]
    assert size["int8"] < 0.45 * size["float32"]
    assert size["dynamic"] < size["int8"]


def test_the_same_source_and_calibration_give_the_same_bytes(
    digits_models: Path, tmp_path: Path
) -> None:
    models = convert(
        DIGITS, tmp_path, ["int8", "uint8", "dynamic"], calibration=CALIBRATION,
        preprocessing="mobilenet", labels=LABELS,
    ).models  # fmt: skip
    for model in models:
        first = digits_models / model.path.name
        assert model.path.read_bytes() == first.read_bytes(), model.recipe.name
        other = model.path.with_suffix(".json").read_text()
        assert other == first.with_suffix(".json").read_text()


def test_int8_loses_nothing_on_the_held_out_digits(digits_models: Path) -> None:
    from edge_deploy import evaluate

    accuracy = evaluate(
        digits_models / "digits_mobilenet_v2_int8.tflite",
        ASSETS / "digits_heldout.npz",
        reference=digits_models / "digits_mobilenet_v2_float32.tflite",
    )
    found = accuracy.to_json()
    assert found["samples"] >= 2000
    assert found["top1"] >= 0.94
    assert found["agreement"] >= 0.99
    assert found["drop_points"] <= 0.3


def test_evaluate_takes_the_source_itself_as_reference(digits_models: Path) -> None:
    from edge_deploy import evaluate

    found = evaluate(
        digits_models / "digits_mobilenet_v2_float32.tflite",
        ASSETS / "digits_heldout.npz",
        reference=DIGITS,
        limit=300,
    ).to_json()
    assert found["agreement"] == 1.0
    assert found["drop_points"] == 0.0


def test_a_recipe_file_keeps_what_it_names_in_float(tmp_path: Path) -> None:
    recipe = Recipe("int8-but-head", io="int8", keep_float=(Rule(operator="FULLY_CONNECTED"),))
    (model,) = convert(
        DIGITS, tmp_path, [recipe], calibration=CALIBRATION, preprocessing="mobilenet"
    ).models
    file = ModelFile.open(model.path)
    kinds = {
        file.graph.tensor(op.inputs[1]).dtype
        for op in file.graph.operators
        if op.kind == "FULLY_CONNECTED"
    }
    assert kinds == {"float32"}
    assert 0.9 < model.proof.integer_share < 1.0


def test_two_inputs_are_calibrated_from_named_arrays(sources: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    data = tmp_path / "two.npz"
    np.savez(
        data,
        image=rng.uniform(-1, 1, (60, 8, 8, 3)).astype(np.float32),
        extra=rng.uniform(-1, 1, (60, 4)).astype(np.float32),
    )
    (model,) = convert(sources / "two_inputs.keras", tmp_path, ["int8"], calibration=data).models
    assert model.proof.integer_share == 1.0
    np.savez(data, image=np.zeros((60, 8, 8, 3), np.float32))
    with pytest.raises(BadInputError, match="extra"):
        convert(sources / "two_inputs.keras", tmp_path, ["int8"], calibration=data, force=True)


def test_photos_calibrate_and_broken_ones_are_named(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        shutil.copy(ASSETS / "photos" / "chelsea.png", photos / f"a{n}.png")
    shutil.copy(ASSETS / "photos" / "rocket.jpg", photos / "b.jpg")
    shutil.copy(ASSETS / "photos" / "chelsea_rotated.jpg", photos / "c.jpg")
    (photos / "notes.jpg").write_text("not a photo")
    (photos / "empty.png").touch()
    conversion = convert(
        DIGITS, tmp_path / "out", ["int8"], calibration=photos, preprocessing="mobilenet"
    )
    text = " ".join(conversion.warnings)
    assert "notes.jpg" in text
    assert "empty.png" in text
    assert "only 5 calibration samples" in text
    assert conversion.models[0].card["calibration"]["samples"] == 5
    assert conversion.models[0].card["calibration"]["skipped"] == 2
    (photos / "b.jpg").unlink()
    with pytest.raises(BadInputError, match="4 usable samples"):
        convert(
            DIGITS, tmp_path / "out", ["int8"], calibration=photos, preprocessing="mobilenet",
            force=True,
        )  # fmt: skip


REFUSED = [
    ("lambda.keras", BadInputError, "Lambda layer.*--trust-source"),
    ("lambda.h5", BadInputError, "Lambda layer.*--trust-source"),
    ("model.pkl", BadInputError, "pickle.*--trust-source"),
    ("open_size.keras", BadInputError, "--input-shape"),
    ("weights_only.h5", BadInputError, "weights but no model"),
    ("writes.pb", BadInputError, "WriteFile.*--trust-source"),
    ("writes_saved_model", BadInputError, "WriteFile.*--trust-source"),
    ("damaged_saved_model", BadInputError, "cannot load"),
]


@pytest.mark.parametrize(("name", "kind", "sentence"), REFUSED)
def test_what_cannot_be_converted_is_refused_in_a_sentence(
    sources: Path, tmp_path: Path, name: str, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        convert(sources / name, tmp_path / "out", ["float32"])
    assert list((tmp_path / "out").iterdir()) == []
    assert not (sources / "canary").exists()


def test_trusted_code_is_run(sources: Path, tmp_path: Path) -> None:
    (model,) = convert(sources / "lambda.keras", tmp_path, ["float32"], trust_source=True).models
    assert model.proof.passed


def test_an_open_size_is_converted_for_the_size_that_is_given(
    sources: Path, tmp_path: Path
) -> None:
    (model,) = convert(
        sources / "open_size.keras", tmp_path, ["float32"],
        options=Options(input_shape=(1, 20, 24, 3)),
    ).models  # fmt: skip
    assert ModelFile.open(model.path).inputs[0].shape == (1, 20, 24, 3)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("not_a_number.keras", 4, "NaN"), ("needs_flex", 4, "MatrixDeterminant")],
)
def test_worthless_models_exit_4(
    sources: Path, tmp_path: Path, name: str, code: int, words: str
) -> None:
    result = edge_deploy("convert", sources / name, "-o", tmp_path / "out", "-r", "float32")
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_proof_writes_nothing_and_a_forced_one_is_marked(
    sources: Path, tmp_path: Path
) -> None:
    data = tmp_path / "inputs.npz"
    np.savez(data, x=np.random.default_rng(1).uniform(0, 1, (60, 4)).astype(np.float32))
    source, out = sources / "two_scales.keras", tmp_path / "out"
    with pytest.raises(ProofError, match=r"failed its proof 'cosine': 0\.[67]") as caught:
        convert(source, out, ["int8", "float32"], calibration=data)
    assert [f.recipe for f in caught.value.conversion.failures] == ["int8"]
    assert [m.recipe.name for m in caught.value.conversion.models] == ["float32"]
    assert not list(out.glob("*int8*"))
    result = edge_deploy(
        "convert", source, "-o", out, "-r", "int8", "--calibration", data, "--json"
    )
    assert result.returncode == 4
    assert "try" in result.stderr
    assert json.loads(result.stdout)["failures"][0]["proof"]["status"] == "failed"
    forced = convert(source, out, ["int8"], calibration=data, force_unproven=True)
    assert forced.models[0].card["proof"]["status"] == "failed"
    assert forced.models[0].card["proof"]["forced"] is True


def test_outputs_are_not_overwritten_without_force(digits_models: Path, tmp_path: Path) -> None:
    source = digits_models / "digits_mobilenet_v2_float32.tflite"
    convert(source, tmp_path, ["float32"])
    with pytest.raises(OutputError, match="--force"):
        convert(source, tmp_path, ["float32"])
    convert(source, tmp_path, ["float32"], force=True)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        convert(source, in_the_way, ["float32"])
    shutil.copy(source, tmp_path / "m.tflite")
    (tmp_path / "m_float32.tflite").hardlink_to(tmp_path / "m.tflite")
    with pytest.raises(OutputError, match="source itself"):
        convert(tmp_path / "m.tflite", tmp_path, ["float32"], force=True)


def test_int_recipes_ask_for_calibration_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--calibration"):
        convert(DIGITS, tmp_path, ["int8"])


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="9 labels but the model has 10"):
        convert(DIGITS, tmp_path, ["float32"], preprocessing="mobilenet", labels=LABELS[:9])
    with pytest.raises(BadInputError, match="11 labels"):
        convert(
            DIGITS, tmp_path, ["float32"], preprocessing="mobilenet",
            labels=("background", *LABELS),
        )  # fmt: skip


def test_the_json_document_has_the_promised_keys(digits_models: Path, tmp_path: Path) -> None:
    source = digits_models / "digits_mobilenet_v2_float32.tflite"
    result = edge_deploy("convert", source, "-o", tmp_path, "-r", "dynamic", "--json")
    assert result.returncode == 0, result.stderr
    (model,) = json.loads(result.stdout)["models"]
    wanted = {"path", "recipe", "size_bytes", "sha256", "source_sha256", "proof"}
    assert wanted <= set(model)
    proof = {"status", "cosine", "top1_agreement", "integer_share"}
    assert proof <= set(model["proof"])


def test_converted_weights_lie_on_16_byte_boundaries(digits_models: Path) -> None:
    for path in sorted(digits_models.glob("*.tflite")):
        file = ModelFile.open(path)
        start = np.frombuffer(file.data, np.uint8).ctypes.data
        for tensor in file.graph.tensors:
            data = file.buffer_data(tensor.buffer)
            if len(data):
                at = np.frombuffer(data, np.uint8).ctypes.data - start
                assert at % 16 == 0, (path.name, tensor.name)
        LoadedModel(file.data)
