"""Tables as people hand them over: other marks between cells, units, names, and wrong rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError

from edge_deploy.catalogue import device_profile
from edge_deploy.cli import run
from edge_deploy.prediction.calibration.latency_models import models_of_tables, read_features
from edge_deploy.prediction.calibration.micro_models import MICRO_MODELS
from edge_deploy.prediction.calibration.own_device import device_from_table
from edge_deploy.prediction.latency.fitting import DEFAULT_TERMS
from edge_deploy.prediction.tables import accuracy, doubts
from edge_deploy.prediction.tables.grouping import groups
from edge_deploy.prediction.tables.names import near_name, plain_name
from edge_deploy.prediction.tables.published import published_fits
from edge_deploy.prediction.tables.reading import (
    packaged_networks,
    parse_latencies,
    parse_networks,
    read_latencies,
)

HEAD = "model,dtype,device,threads,latency_ms,runtime\n"
TWO = "Mobilenet_V1_1.0_224,float32,P,4,24.5,T\nMobilenet_V2_1.0_224,float32,P,4,17.25,T\n"
FEATURES = "model,dense_mmac,depthwise_mmac,fc_mmac,activation_melems,weight_melems\n"
MOBILENETS = ("Mobilenet_V1_0.25_128", "Mobilenet_V1_0.5_128", "Mobilenet_V1_0.5_160",
              "Mobilenet_V1_0.75_160", "Mobilenet_V1_1.0_192", "Mobilenet_V1_1.0_224",
              "Mobilenet_V2_1.0_224")  # fmt: skip


def pixel_3(factors: dict[str, float] | None = None, dtype: str = "float32") -> str:
    """Rows of the Pixel 3, each time as many times longer as `factors` says, or "" all of them."""
    root = next(one for one in published_fits() if one.group.device == "pixel-3")
    factors = factors or {}
    return HEAD + "".join(
        f"{point.model},{dtype},P,4,"
        f"{point.measured_ms * factors.get('', 1.0) * factors.get(point.model, 1.0)},T\n"
        for point in root.points
        if point.model in MOBILENETS
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("decimal", [",", "."])
def test_semicolons_tabs_and_decimal_commas_are_read(mark: str, decimal: str, end: str) -> None:
    plain = parse_latencies(HEAD + TWO, "it")
    lines = [line.split(",") for line in (HEAD + TWO).splitlines()]
    lines[1:] = [[*cells[:4], cells[4].replace(".", decimal), cells[5]] for cells in lines[1:]]
    text = end.join(mark.join(cells) for cells in lines) + end
    assert parse_latencies(text, "it") == plain


def test_features_may_have_decimal_commas_too() -> None:
    text = f"{FEATURES}a,551.354,17.386,0,10.299,4.209\n"
    commas = text.replace(",", ";").replace(".", ",")
    assert parse_networks(commas, "it") == parse_networks(text, "it")


def test_what_spreadsheets_leave_around_a_table_is_no_row() -> None:
    text = HEAD + TWO
    surrounded = "\ufeffsep=,\n\n" + text.replace("\n", ",,\n") + ",,,,,,\n\n"
    assert parse_latencies(surrounded.replace("\n\n", "\n", 1), "it") == parse_latencies(text, "it")


def test_lines_are_counted_from_the_top_of_the_file() -> None:
    with pytest.raises(BadInputError, match=r"^it, line 5: latency_ms is 'fast', not a figure$"):
        parse_latencies(f"\n\n{HEAD}\na,float32,P,4,fast,T\n", "it")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;float32;P;4;1,5;T\nb;float32;P;4;1.234;T\n", r"a comma \(1,5\) and with a point"),
        ("a;float32;P;4;1.234,5;T\nb;float32;P;4;1,5;T\n", "with a point"),
        ("a\tfloat32\tP\t4\t1,234\tT\n", "may stand before decimals or between thousands"),
    ],
)
def test_commas_that_may_be_anything_are_refused(text: str, words: str) -> None:
    head = HEAD.replace(",", "\t" if "\t" in text else ";")
    with pytest.raises(BadInputError, match=words):
        parse_latencies(head + text, "it")


@pytest.mark.parametrize(
    ("column", "times"),
    [("Latency (us)", 1000), ("latency_µs", 1000), ("LATENCY NS", 1e6), ("latency [s]", 1e-3)],
)
def test_a_column_that_names_its_unit_is_taken_at_its_word(column: str, times: float) -> None:
    text = f"Model,Dtype,Device,Threads,{column},Runtime\na,float32,P,4,{3 * times},T\n"
    assert parse_latencies(text, "it")[0].latency_ms == pytest.approx(3)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("model,dtype,device,threads,Latency,runtime\n", "whose name does not say its unit"),
        ("model,dtype,device,threads,latency_ms,latency_us,runtime\n", "has the times twice"),
        ("model,dtype,device,threads,latency_ms,runtime,Model\n", "has 2 columns model"),
        ("model,dtype,phone,threads,latency_ms,runtime\n", r"column device; .*'phone'.* It needs"),
        ("model|dtype|device|threads\n", r"device, .*with commas, semicolons or tabs"),
    ],
)
def test_a_first_line_that_lacks_something_says_what_it_has(head: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        parse_latencies(head, "it")


def test_an_open_quote_is_told_with_its_line() -> None:
    with pytest.raises(BadInputError, match=r"^it, line 3 is no CSV .* quote"):
        parse_latencies(f'{HEAD}a,float32,P,4,3,T\n"b,float32,P,4,3,T\nc,float32,P,4,3,T\n', "it")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_told_what_to_save(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_bytes((HEAD + TWO.replace("P", "Téléphone")).encode(encoding))
    with pytest.raises(BadInputError, match="save it as CSV in UTF-8"):
        read_latencies(path)
    with pytest.raises(BadInputError, match="bytes of 0"):
        parse_latencies(HEAD + "a\0,float32,P,4,3,T\n", "it")


@pytest.mark.parametrize("cell", ["", "n/a", "NA", "-", "—"])
def test_what_nobody_measured_is_left_out(cell: str) -> None:
    found = parse_latencies(HEAD + TWO + f"c,float32,P,4,{cell},T\n", "it")
    assert [row.model for row in found] == ["Mobilenet_V1_1.0_224", "Mobilenet_V2_1.0_224"]


@pytest.mark.parametrize(
    ("dtype", "read"),
    [("FP32", "float32"), ("float", "float32"), ("Int8", "int8"), ("u8", "uint8")],
)
def test_dtypes_go_by_several_names(dtype: str, read: str) -> None:
    assert parse_latencies(HEAD + f"a,{dtype},P,4,3,T\n", "it")[0].dtype == read


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("fp16", "7 rows of float16: .* compute in float32"),
        ("quant", "7 rows of dtype quant, which no file is of; valid: float32, int8"),
    ],
)
def test_a_dtype_that_no_file_is_of_is_neither_judged_nor_written(dtype: str, words: str) -> None:
    latencies = parse_latencies(pixel_3(dtype=dtype), "it")
    with pytest.raises(BadInputError, match=words):
        accuracy.table_rows(latencies, {})
    with pytest.raises(BadInputError, match=words):
        models_of_tables(latencies, {}, "it")


def test_capitals_do_not_make_two_devices_or_runtimes() -> None:
    text = HEAD + TWO.replace("V2_1.0_224,float32,P,4,17.25,T", "V2_1.0_224,FP32,p,4.0,17.25, t")
    found, _ = groups(parse_latencies(text, "it"), packaged_networks())
    ((group, points),) = found.items()
    assert (group.device, group.threads, group.runtime, len(points)) == ("P", "4", "T", 2)


def test_near_names_are_told_for_networks_without_features() -> None:
    text = HEAD + TWO + "MobileNetV2 1.0 224 quant,float32,P,4,18,T\nTotallyOther,float32,P,4,9,T\n"
    _, (note,) = accuracy.table_rows(parse_latencies(text, "it"), {})
    assert "MobileNetV2 1.0 224 quant (is it Mobilenet_V2_1.0_224?), TotallyOther" in note
    assert note.endswith("; --features says what they are")
    own = {"my net/7": next(iter(packaged_networks().values()))}
    _, notes = accuracy.table_rows(parse_latencies(text + "my_nett_7,float32,P,4,9,T\n", "it"), own)
    assert any("my_nett_7 (is it my net/7?)" in said for said in notes)


def test_a_name_is_the_same_however_it_is_written() -> None:
    names = ("MobileNet_v2_1.0_224", "mobilenet-v2 1.0 224", "MobileNet v2 (1.0/224).tflite")
    assert len({plain_name(name) for name in names}) == 1
    assert near_name("efficientnet_lite_0", ["EfficientNet-Lite0", "ResNet50"]) == (
        "EfficientNet-Lite0"
    )
    assert near_name("mine", ["EfficientNet-Lite0"]) == ""


def test_a_name_with_other_numbers_is_no_near_name() -> None:
    others = ["EfficientNet-Lite3", "my net/7", "Mobilenet_V2_1.0_224"]
    assert near_name("efficientnet_lite0_float32.tflite", others) == ""
    assert near_name("my_net_6", others) == ""
    assert near_name("mobilenet_v1_1.0_224", others) == ""
    assert near_name("efficientnet_lite3_float32.tflite", others) == "EfficientNet-Lite3"
    assert near_name("mobilenet_v2_1.0", others) == "Mobilenet_V2_1.0_224"


def test_networks_whose_names_run_together_stay_apart() -> None:
    features = parse_networks(f"{FEATURES}net_1 1,100,9,1,5,3\nnet_11,900,60,1,30,9\n", "it")
    text = HEAD + "net_1 1,float32,P,4,5,T\nnet_11,float32,P,4,40,T\nnet-1-1,float32,P,4,5,T\n"
    (row,), notes = accuracy.table_rows(parse_latencies(text, "it"), features)
    assert [(p.measured_ms, p.features["dense_mmac"]) for p in row.points] == [(5, 100), (40, 900)]
    # Which of the two is meant, nobody can tell.
    assert "net-1-1" in notes[0]


def test_features_under_another_spelling_are_completed_from_the_package() -> None:
    known = packaged_networks()["Mobilenet_V2_1.0_224"]
    cells = ",".join(str(known.features[name]) for name in DEFAULT_TERMS[:5])
    own = parse_networks(f"{FEATURES}mobilenet-v2 1.0 224,{cells}\n", "it")
    text = HEAD + TWO
    (row,), _ = accuracy.table_rows(parse_latencies(text, "it"), own)
    assert all("im2col_melems" in point.features for point in row.points)


def test_microseconds_taken_for_milliseconds_are_doubted() -> None:
    for factor, words in ((1000.0, "ms?"), (0.001, "features in millions?")):
        latencies = parse_latencies(pixel_3({"": factor}), "it")
        (row,), judged = accuracy.table_rows(latencies, {})
        assert row.mae_loo is not None
        assert row.mae_loo < 0.1
        assert len(judged) == 1
        assert re.search(rf"^P, float32, 4 threads, T: .* GMAC/s .*{re.escape(words)}$", judged[0])
        assert models_of_tables(latencies, {}, "it")[1] == judged


def test_a_row_that_contradicts_the_others_is_named() -> None:
    latencies = parse_latencies(pixel_3({"Mobilenet_V1_0.75_160": 1000.0}), "it")
    _, notes = accuracy.table_rows(latencies, {})
    assert len(notes) == 1
    assert "Mobilenet_V1_0.75_160 took " in notes[0]
    assert "another unit" in notes[0]


def test_no_published_table_is_doubted() -> None:
    assert [doubts.doubts(one.model.points) for one in published_fits()] == [()] * len(
        published_fits()
    )


def test_files_say_what_a_tables_networks_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for micro in MICRO_MODELS[:3]:
        paths.append(tmp_path / f"{micro.name}.tflite")
        paths[-1].write_bytes(micro.build("float32"))
    table = tmp_path / "times.csv"
    rows = [f"{path.stem},float32,P,1,{3 + n},T\n" for n, path in enumerate(paths)]
    table.write_text(HEAD + "".join(rows))
    options = [word for path in paths for word in ("--features", str(path))]
    assert run(["devices", "accuracy", "--table", str(table), *options, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert [point["model"] for point in row["points"]] == [path.stem for path in paths]


def test_a_table_of_features_may_be_called_anything(tmp_path: Path) -> None:
    path = tmp_path / "features.TSV"
    path.write_text(f"{FEATURES}a,1.5,2,0,1,1\n".replace(",", "\t"))
    assert read_features([path])["a"].features["dense_mmac"] == 1.5


def test_a_runtime_for_each_row_is_told_in_one_sentence() -> None:
    rows = pixel_3().replace(HEAD, "").splitlines()
    text = HEAD + "".join(f"{row} {n}\n" for n, row in enumerate(rows))
    with pytest.raises(BadInputError, match=r"T 3 and 3 more: one model tells nothing"):
        accuracy.table_rows(parse_latencies(text, "it"), {})


def test_of_several_devices_the_one_that_is_called_like_the_id_is_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_DEPLOY_DEVICES", str(tmp_path / "devices"))
    table = tmp_path / "times.csv"
    mine = TWO.replace(",P,", ",My Phone,", 1).replace(",P,", ",my phone,", 1)
    table.write_text(HEAD + TWO + mine)
    assert run(["devices", "calibrate", "--table", str(table), "--id", "other"]) == 3
    said = capsys.readouterr().err
    assert "times.csv has rows of 2 devices (My Phone, P); give one table for each" in said
    assert run(["devices", "calibrate", "--table", str(table), "--id", "my-phone"]) == 0
    assert "2 rows are of other devices than My Phone" in capsys.readouterr().err
    (model,) = device_profile("my-phone").latency
    assert [point.measured_ms for point in model.points] == [24.5, 17.25]


@pytest.mark.parametrize(
    ("spoken", "device_id", "doubt"),
    [
        ("My Phone", "pixel-4", "its rows are of My Phone, and are taken as times of pixel-4"),
        ("Pixel 3", "pixel-4", "its rows are of Pixel 3, and are taken as times of pixel-4"),
        ("Pixel 4", "pixel-4", ""),
        ("google pixel 4", "pixel-4", ""),
        ("My Phone", "my-own", ""),
    ],
)
def test_times_of_another_device_than_the_packaged_one_are_told(
    spoken: str, device_id: str, doubt: str
) -> None:
    latencies = parse_latencies(HEAD + TWO.replace(",P,", f",{spoken},"), "times.csv")
    _, notes = models_of_tables(latencies, {}, "times.csv", device=device_id)
    assert [text for text in notes if "rows are of" in text] == [doubt] * bool(doubt)


def test_from_python_the_paths_of_tables_may_be_texts(tmp_path: Path) -> None:
    table, features = tmp_path / "times.csv", tmp_path / "features.csv"
    table.write_text(HEAD + TWO.replace("Mobilenet_V2_1.0_224", "mine"))
    features.write_text(FEATURES + "mine,300,20,1.3,6.7,3.5\n")
    place = tmp_path / "my-own.toml"
    own = device_from_table(str(table), "my-own", features=[str(features)], output=str(place))
    assert own.path == place
    assert [point.model for point in own.models[0].points] == ["Mobilenet_V1_1.0_224", "mine"]
