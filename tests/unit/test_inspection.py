"""What inspection says of small models whose every figure is known."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_deploy_runner.contract import PRESETS
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite import graph_cost
from edge_deploy_runner.tflite.model_file import ModelFile
from small_models_photo import (
    Builder,
    color_classifier,
    mixed_model,
    rank_two_model,
    two_input_model,
    write_model,
)  # fmt: skip

from edge_deploy.cli import run
from edge_deploy.inspection import Inspection, inspect, probe_models

SHARED = Path(__file__).parents[3] / "shared" / "models"
KEYS = {
    "size_bytes", "sha256", "inputs", "outputs", "operators", "macs", "parameters",
    "integer_share", "float_islands", "flex_ops", "custom_ops", "arena_bytes", "preprocessing",
    "labels", "delegates", "runtime", "signatures", "metadata", "warnings",
}  # fmt: skip


def test_a_path_is_not_cut_in_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = tmp_path / "a-model-whose-name-is-longer-than-a-column-of-a-table.tflite"
    path.write_bytes(color_classifier())
    assert run(["inspect", str(path)]) == 0
    assert str(path) in capsys.readouterr().out.split()


def look(tmp_path: Path, content: bytes) -> Inspection:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return inspect(path)


def said(found: Inspection, text: str) -> bool:
    return any(text in warning for warning in found.warnings)


@pytest.mark.parametrize(("dtype", "share"), [("float32", 0.0), ("int8", 1.0), ("uint8", 1.0)])
def test_a_classifier(tmp_path: Path, dtype: str, share: float) -> None:
    found = look(tmp_path, color_classifier(dtype, size=(24, 16)))
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(record) >= KEYS
    # 16 x 24 x 3 outputs of a 1x1x3 filter, and three classes of three features
    assert found.macs == 16 * 24 * 3 * 3 + 9
    assert found.parameters == 9 + 3 + 9 + 3
    assert found.integer_share == share
    assert found.float_islands == ()
    assert found.operators["CONV_2D"] == 1
    # the photo and the features of the same size, alive together
    assert found.arena_bytes == 2 * 16 * 24 * 3 * (4 if dtype == "float32" else 1)
    assert found.preprocessing == PRESETS["mobilenet"]
    assert found.labels == ("red", "green", "blue")
    assert (found.runtime.opens, found.runtime.runs, found.runtime.finite) == (
        True, True, True if dtype == "float32" else found.runtime.finite,
    )  # fmt: skip
    assert record["delegates"][0]["name"] == "XNNPACK"
    assert 0 <= record["delegates"][0]["operator_share"] <= 1
    assert found.warnings == ()
    (photo,) = found.inputs
    assert photo.shape == (1, 16, 24, 3)
    assert (photo.scale is None) == (dtype == "float32")


def test_a_float_island_is_named_by_its_output(tmp_path: Path) -> None:
    found = look(tmp_path, mixed_model())
    assert [(island.kind, island.name) for island in found.float_islands] == [
        ("HARD_SWISH", "island")
    ]
    assert found.integer_share == 1.0
    assert said(found, "1 operators compute in float")
    assert said(found, "does not end in a softmax")


def test_two_inputs_and_other_shapes_are_described(tmp_path: Path) -> None:
    found = look(tmp_path, two_input_model())
    assert said(found, "has 2 inputs")
    assert found.macs == 0
    found = look(tmp_path, rank_two_model())
    assert found.outputs[0].shape == (1, 10)
    assert said(found, "no preprocessing contract")
    assert said(found, "no labels")


def test_an_open_batch_counts_as_one(tmp_path: Path) -> None:
    found = look(tmp_path, color_classifier(signature=(-1, 16, 24, 3)))
    assert found.inputs[0].shape == (-1, 16, 24, 3)
    assert found.macs == 16 * 24 * 9 + 9
    assert said(found, "open dimension")


def test_open_shapes_have_no_macs_but_a_reason() -> None:
    build = Builder()
    x = build.tensor("x", (1, 4), signature=(1, -1))
    w = build.tensor("w", (2, 4), data=np.ones((2, 4)))
    y = build.tensor("y", (1, 2), signature=(1, -1))
    build.operator("FULLY_CONNECTED", [x, w, -1], [y], schema.FullyConnectedOptionsT())
    model = ModelFile(build.pack([x], [y]))
    macs, reason = graph_cost.count_macs(model.graph)
    assert macs is None
    assert "FULLY_CONNECTED" in reason
    arena, reason = graph_cost.estimate_arena(model)
    assert arena is None
    assert "not fixed" in reason


def test_macs_of_every_kind_that_is_counted() -> None:
    build = Builder()

    def add(kind: str, shapes: list[tuple[int, ...]], output: tuple[int, ...]) -> None:
        inputs = [build.tensor("t", shape) for shape in shapes]
        build.operator(kind, inputs, [build.tensor("o", output)])

    add("DEPTHWISE_CONV_2D", [(1, 8, 8, 6), (1, 3, 3, 6)], (1, 8, 8, 6))
    add("TRANSPOSE_CONV", [(4,), (5, 2, 2, 3), (1, 4, 4, 3)], (1, 8, 8, 5))
    add("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5))
    add("CONV_3D", [(1, 4, 4, 4, 2), (3, 3, 3, 2, 7)], (1, 4, 4, 4, 7))
    model = ModelFile(build.pack([0], [2]))
    assert [graph_cost.operator_macs(model.graph, op) for op in model.graph.operators] == [
        8 * 8 * 6 * 9,
        4 * 4 * 3 * 2 * 2 * 5,
        2 * 3 * 5 * 4,
        4 * 4 * 4 * 7 * 27 * 2,
    ]


def custom_model(name: str) -> bytes:
    build = Builder()
    x, y = build.tensor("x", (1, 3)), build.tensor("y", (1, 3))
    build.operator("CUSTOM", [x], [y])
    original = build.pack

    def pack(inputs: list[int], outputs: list[int]) -> bytes:
        created = schema.OperatorCodeT

        class Named(created):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                super().__init__()
                self.customCode = name

        schema.OperatorCodeT = Named
        try:
            return original(inputs, outputs)
        finally:
            schema.OperatorCodeT = created

    return pack([x], [y])


@pytest.mark.parametrize(
    ("name", "flex", "custom"),
    [("FlexErf", ("FlexErf",), ()), ("TFLite_Detection", (), ("TFLite_Detection",))],
)
def test_flex_and_custom_operators_are_said_and_no_error(
    tmp_path: Path, name: str, flex: Any, custom: Any
) -> None:
    found = look(tmp_path, custom_model(name))
    assert (found.flex_ops, found.custom_ops) == (flex, custom)
    assert found.operators == {name: 1}
    assert not found.runtime.runs
    assert found.runtime.reason
    assert said(found, name)


def test_a_scale_that_is_not_the_contracts_is_said(tmp_path: Path) -> None:
    model = color_classifier("int8", contract=False)
    carried = color_classifier("int8", preprocessing=PRESETS["0-1"])
    assert look(tmp_path, carried).warnings == ()
    # The scale of (x-127.5)/127.5 under the contract x/255.
    own = ModelFile(model).inputs[0].scales[0]
    wanted = struct.pack("<f", ModelFile(carried).inputs[0].scales[0])
    mixed = carried.replace(wanted, struct.pack("<f", own))
    assert said(look(tmp_path, mixed), "codes are wasted or clipped")


def test_a_damaged_contract_is_a_warning(tmp_path: Path) -> None:
    content = color_classifier().replace(b'"bilinear"', b'"bilinaer"')
    found = look(tmp_path, content)
    assert found.preprocessing is None
    assert said(found, "contract in model.tflite is damaged")


def test_a_model_that_is_not_its_cards_is_said(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    card = {"format": "edge-deploy card", "model": {"sha256": "0" * 64}}
    path.with_suffix(".json").write_text(json.dumps(card))
    assert said(inspect(path), "is not the model that its card")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_child_that_hangs_is_ended_and_the_others_are_still_opened(tmp_path: Path) -> None:
    good = write_model(tmp_path)
    pipe = tmp_path / "pipe.tflite"
    os.mkfifo(pipe)  # opening it blocks for ever
    reports = probe_models([good, pipe, good], seconds=5)
    assert [report.opens for report in reports] == [True, False, True]
    assert "no answer within 5 s" in (reports[1].reason or "")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_child_that_dies_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = write_model(tmp_path)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 0\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    found = inspect(good)
    assert found.macs
    assert not found.runtime.opens
    assert "SIGSEGV" in (found.runtime.reason or "")
    assert said(found, "does not open")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is empty"):
        look(tmp_path, b"")
    with pytest.raises(BadInputError, match="there is no model"):
        inspect(tmp_path / "none.tflite")


@pytest.mark.needs_shared
def test_mobilenet_v2() -> None:
    found = inspect(SHARED / "mobilenet_v2_1.0_224_quant.tflite")
    assert found.macs == pytest.approx(300.8e6, rel=1e-3)
    assert found.arena_bytes == 1470 * 1024
    assert (found.integer_share, len(found.labels)) == (1.0, 1001)
    found = inspect(SHARED / "invalid_models" / "model_invoking_error.tflite")
    assert found.custom_ops == ("fake-op-double",)
