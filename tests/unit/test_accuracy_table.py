"""How good the predictions are: the bar holds, and other tables are judged the same way."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from edge_deploy_runner.errors import BadInputError
from rich.console import Console

from edge_deploy.cli import devices_accuracy, run
from edge_deploy.cli.devices_accuracy import command
from edge_deploy.prediction.tables import accuracy, accuracy_page
from edge_deploy.prediction.tables import reading as tables
from edge_deploy.prediction.tables.names import family_of

PAGE = ROOT / "docs" / "prediction.md"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.parametrize("index", range(7))
def test_the_bar_holds(index: int) -> None:
    bound = accuracy.bounds(accuracy.packaged_rows())[index]
    assert bound.holds, f"{bound.name}: {bound.value}"


def test_a_missed_bound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = accuracy.Bound("a figure", 0.2, 0, 0.1)
    monkeypatch.setattr(accuracy, "packaged_rows", lambda: ())
    monkeypatch.setattr(accuracy, "bounds", lambda rows: (missed,))
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    assert "MISSED" in result.output
    assert not accuracy.Bound("a figure", None, 0, 0.1).holds


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    plot = PAGE.with_name(accuracy_page.PLOT).read_text("utf-8")
    again = accuracy_page.with_tables(page, accuracy_page.markdown())
    command = "run python -m edge_deploy.prediction.tables.accuracy_page docs/prediction.md"
    # Another machine's arithmetic may round the last digit the other way.
    for old, new in ((page, again), (plot, accuracy_page.plot_svg())):
        assert NUMBER.sub("#", old) == NUMBER.sub("#", new), command
        figures = [float(figure) for figure in NUMBER.findall(new)]
        assert [float(figure) for figure in NUMBER.findall(old)] == pytest.approx(
            figures, abs=0.11
        ), command


def test_json_has_every_left_out_model() -> None:
    result = CliRunner().invoke(command, ["--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    row = document["rows"][0]
    assert (row["device"], row["dtype"], row["models"]) == ("pixel-3", "float32", 32)
    assert len(row["points"]) == 32
    inside = [p["low_ms"] <= p["measured_ms"] <= p["high_ms"] for p in row["points"]]
    assert row["coverage80"] == pytest.approx(sum(inside) / 32)
    errors = [abs(p["held_out_ms"] / p["measured_ms"] - 1) for p in row["points"]]
    assert row["mae_loo"] == pytest.approx(sum(errors) / 32)


BASE = "model,dense_mmac,depthwise_mmac,fc_mmac,activation_melems,weight_melems,n_ops"


def renamed_tables() -> tuple[str, str]:
    """The Pixel 3's float32 rows as somebody else's: other names, and the base features alone."""
    networks = tables.packaged_networks()
    latencies, features = io.StringIO(), io.StringIO()
    times, counts = csv.writer(latencies), csv.writer(features)
    times.writerow(["model", "dtype", "device", "unit", "threads", "latency_ms", "runtime"])
    counts.writerow(BASE.split(","))
    for row in tables.packaged_latencies():
        if (row.device, row.dtype, row.unit) == ("pixel-3", "float32", "CPU"):
            network = networks[row.model]
            if row.model in ("DenseNet", "SqueezeNet", "Inception_V3", "Inception_V4"):
                continue
            name = f"{network.family}-like_{row.model[-9:]}"
            times.writerow([name, "FP32", "Phone", "CPU", "4", 1.7 * row.latency_ms, "TFLite 9"])
            values = [network.features[key] for key in BASE.split(",")[1:6]]
            counts.writerow([name, *values, 30])
    return latencies.getvalue(), features.getvalue()


def test_tables_with_the_base_features_alone_are_judged_too(tmp_path: Path) -> None:
    latencies, features = renamed_tables()
    (tmp_path / "times.csv").write_text(latencies)
    (tmp_path / "features.csv").write_text(features)
    result = CliRunner().invoke(
        command,
        ["--table", str(tmp_path / "times.csv"), "--features", str(tmp_path / "features.csv"),
         "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)["rows"][0]
    assert row["models"] == 29
    assert row["mae_loo"] < 0.07
    assert row["mae_lofo"] < 0.15
    assert 0.72 <= row["coverage80"] <= 0.9


def test_every_width_holds_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    rows = accuracy.packaged_rows()
    consoles = {
        width: lambda width=width: Console(file=sys.stdout, width=width, highlight=False)
        for width in (80, 100, 110)
    }
    shown = {}
    for width, console in consoles.items():
        devices_accuracy._show(rows, accuracy.bounds(rows), console())
        shown[width] = capsys.readouterr().out
        assert max(map(len, shown[width].splitlines())) <= width
        assert "…" not in shown[width]
        for name in ("raspberry-pi-zero-w", "raspberry-pi-2b-v1.1", "XNNPACK 2022, 64-bit"):
            assert name in shown[width]  # no id or runtime is cut in two
    for width in (80, 100):
        lines = [line.strip() for line in shown[width].splitlines()]
        first = next(n for n, line in enumerate(lines) if line.startswith("raspberry-pi-3b-plus,"))
        assert lines[first].startswith("raspberry-pi-3b-plus, float32 ")
        assert lines[first + 1] == "1 thread, TFLite 2.5, 32-bit"
    figure = re.compile(r"\d+\.\d%")
    table = {width: text.partition("of 519")[0] for width, text in shown.items()}
    assert figure.findall(table[80]) == figure.findall(table[110]) == figure.findall(table[100])


def test_a_dash_is_explained_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    rows = accuracy.packaged_rows()
    console = Console(file=sys.stdout, width=110, highlight=False)
    devices_accuracy._show(rows, (), console)
    assert "-: too little was timed" in capsys.readouterr().out
    full = [row for row in rows if None not in (row.mae_lofo, row.coverage80)]
    devices_accuracy._show(tuple(full), (), console)
    out = capsys.readouterr().out
    assert "-: " not in out
    assert "family: mean error where its whole family" in " ".join(out.split())


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("", 110)])
def test_a_file_gets_the_bar_first_in_so_many_columns(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["devices", "accuracy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The bar"
    assert any(line.startswith("Error on models left out") for line in lines)
    assert max(map(len, lines)) <= width
    assert (max(map(len, lines)) > 80) == (width > 80)
    assert not any(line.endswith(" ") for line in lines)


def test_the_tables_of_detectors_need_no_features_of_their_own() -> None:
    text = (
        "model,input,dtype,device,threads,latency_ms,runtime,source\n"
        "EfficientDet-lite0,320x320,FP32,Board,4,400,TFLite 2.18,x\n"
        "EfficientDet-lite2,448x448,FP32,Board,4,1250,TFLite 2.18,x\n"
        "SSDLite Mobilenet v2,300x300,FP32,Board,4,230,TFLite 2.18,x\n"
    )
    rows, notes = accuracy.table_rows(tables.parse_latencies(text, "it"), {})
    assert rows[0].n == 3
    assert rows[0].mae_loo is not None
    assert rows[0].mae_loo < 0.4
    assert notes == ()


def test_dates_keep_runtimes_apart() -> None:
    text = (
        "model,dtype,device,threads,latency_ms,runtime,date,source\n"
        "MobileNet v1 1.0X,FP32,Pixel,n_big,43,XNNPACK,2020-03-27,x\n"
        "MobileNet v2 1.0X,FP32,Pixel,n_big,26,XNNPACK,2020-03-27,x\n"
        "MobileNet v2 1.0X,FP32,Pixel,n_big,20,XNNPACK,2022-03-27,x\n"
    )
    rows, notes = accuracy.table_rows(tables.parse_latencies(text, "it"), {})
    assert [(row.n, row.group.runtime, row.group.threads) for row in rows] == [
        (2, "XNNPACK, 2020-03-27", "n_big")
    ]
    assert "one model tells nothing" in notes[0]


def test_other_units_and_unsure_dtypes_are_left_out_and_said() -> None:
    text = (
        "model,dtype,device,unit,threads,latency_ms,runtime\n"
        "Mobilenet_V1_1.0_224,float32,P,CPU,4,24,T\n"
        "Mobilenet_V2_1.0_224,float32,P,CPU,4,17,T\n"
        "Mobilenet_V2_1.0_224,float32,P,GPU,,9,T\n"
        "Mobilenet_V2_1.0_224,uint8?,P,CPU,4,9,T\n"
        "MyNet,float32,P,CPU,4,9,T\n"
        "DenseNet,float32,P,CPU,4,195,T\n"
    )
    rows, notes = accuracy.table_rows(tables.parse_latencies(text, "it"), {})
    assert rows[0].n == 2
    assert [next(w for w in ("GPU", "uint8?", "MyNet", "Dense") if w in n) for n in notes] == [
        "GPU", "uint8?", "MyNet", "Dense",
    ]  # fmt: skip
    assert "1 row of DenseNet: which DenseNet it is was never published" in notes[3]


HEAD = "model,dtype,device,threads,latency_ms,runtime\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the column model"),
        ("model,dtype\n", "lacks the column device"),
        (HEAD, "has no rows"),
        (HEAD + "a,float32,P,4,fast,T\n", "line 2: latency_ms is 'fast', not a figure"),
        (HEAD + "a,float32,P,4,-3,T\n", "line 2: latency_ms is -3; it must be above 0"),
        (HEAD + "a,float32,P,4,nan,T\n", "not a figure"),
        (HEAD + "a,float32,P,4,3,\n", "line 2: runtime is empty"),
        (HEAD + "a,float32,P,4\n", "line 2: its number of fields"),
    ],
)
def test_damaged_tables_of_latencies_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        tables.parse_latencies(text, "the table x.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,dense_mmac\n", "lacks the column depthwise_mmac"),
        (f"{BASE}\n", "has no rows"),
        (f"{BASE}\na,1,2,0,x,1,3\n", "activation_melems is 'x', not a figure"),
        (f"{BASE}\na,1,2,0,-1,1,3\n", "activation_melems is negative"),
        (f"{BASE}\na,0,0,0,1,1,3\n", "zero MACs"),
        (f"{BASE}\na,3e8,2e7,0,1,1,3\n", "dense_mmac is 3e8, which no network has in millions"),
        (f"{BASE}\na,1,2,0,,1,3\n", "activation_melems is empty"),
        (f"{BASE}\na,1,2,0,1,1,3\na,2,2,0,1,1,3\n", "a stands there twice"),
    ],
)
def test_damaged_tables_of_features_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        tables.parse_networks(text, "the table x.csv")


def test_a_table_of_strangers_is_refused() -> None:
    latencies = tables.parse_latencies(HEAD + "a,float32,P,4,3,T\nb,float32,P,4,5,T\n", "it")
    with pytest.raises(BadInputError, match=r"no rows of this table can be fitted.*features: a, b"):
        accuracy.table_rows(latencies, {})


def test_a_missing_file_is_bad_input() -> None:
    with pytest.raises(BadInputError, match=r"cannot read the table nowhere\.csv"):
        tables.read_latencies(Path("nowhere.csv"))


def test_a_folder_of_features_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^cannot read the features .*: Is a directory$"):
        tables.read_networks(tmp_path)


def test_a_family_is_the_packaged_one_under_any_name() -> None:
    text = (
        f"{BASE},family\nmobilenet_v2_0.9,230,18,1.2,12,3,60,\nEfficientNet_Lite9,900,60,1,30,9,80,\n"
        "mine,100,9,1,5,3,50,mobilenet-v1\nother,100,9,1,5,3,50,Mine\n"
    )
    found = tables.completed(tables.parse_networks(text, "it"))
    assert [network.family for network in found.values()] == [
        "MobileNetV2", "EfficientNet-Lite", "MobileNetV1", "Mine",
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["unit", "delegate"])
@pytest.mark.parametrize("word", ["GPU", "NNAPI", "Edge TPU", "Hexagon DSP", "CoreML"])
def test_what_ran_elsewhere_is_not_fitted_as_the_cpu(column: str, word: str) -> None:
    text = f"{HEAD.strip()},{column}\n" + "".join(
        f"{name},float32,P,4,{ms},T,{ran}\n"
        for ran, ms in (("CPU" if column == "unit" else "XNNPACK", 20), (word, 2))
        for name in ("Mobilenet_V1_1.0_224", "Mobilenet_V2_1.0_224")
    )
    rows, notes = accuracy.table_rows(tables.parse_latencies(text, "it"), {})
    assert [point.measured_ms for row in rows for point in row.points] == [20, 20]
    assert len(notes) == 1
    assert notes[0].startswith("2 rows of ")


def test_a_runtime_that_names_the_gpu_is_no_cpu_unless_the_unit_says_so() -> None:
    for head, cell, count in ((HEAD, "", 0), (f"{HEAD.strip()},unit\n", ",CPU", 2)):
        text = head + "".join(
            f"{name},float32,Board with NPU,4,20,T{cell}\n"
            for name in ("Mobilenet_V1_1.0_224", "Mobilenet_V2_1.0_224")
        )
        latencies = tables.parse_latencies(text, "it")
        assert sum(row.unit == "CPU" for row in latencies) == count


def test_rows_without_a_latency_and_rows_that_repeat_are_no_points() -> None:
    text = HEAD.upper() + (
        "Mobilenet_V1_1.0_224,float32,P,4,24,T\nmobilenet-v1-1.0-224,float32,P,4,22,T\n"
        "Mobilenet_V2_1.0_224,float32,P,4,17,T\nMobilenet_V2_1.4_224,float32,P,4,,T\n"
    )
    rows, notes = accuracy.table_rows(tables.parse_latencies(text, "it"), {})
    assert [point.measured_ms for point in rows[0].points] == [22, 17]
    assert notes[0].startswith("1 row of a model")


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Mobilenet_V1_0.25_128", "mobilenetv1"),
        ("MobileNet v2 1.4", "mobilenetv2"),
        ("ResNet50_224", "resnet"),
        ("ResNet_V2_101", "resnet"),
        ("NASNet_large", "nasnet"),
        ("NASNet_mobile", "nasnet"),
        ("EfficientNet-Lite3", "efficientnet"),
        ("Inception_V3@299x299", "inception"),
        ("VGG16", "vgg"),
    ],
)
def test_families_are_read_from_names(model: str, family: str) -> None:
    assert family_of(model) == family


def test_options_that_do_not_go_together_are_usage_errors() -> None:
    from edge_deploy_runner.errors import UsageError

    for arguments in (
        ["--features", "x.csv"], ["--markdown", "--json"], ["--table", "x", "--device", "pixel-3"],
    ):  # fmt: skip
        result = CliRunner().invoke(command, arguments)
        assert isinstance(result.exception, UsageError), arguments


def test_a_device_without_times_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "accuracy", "--device", "pixel-6"]) == 3
    assert "no model was timed on Google Pixel 6" in capsys.readouterr().err
