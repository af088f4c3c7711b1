"""What a measurement looks like in a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measurements import made_up, sustained

from edge_deploy.budget import parse_budget
from edge_deploy.cli.measurement_view import histogram, show_measurement, show_verdict, sparkline
from edge_deploy.judging import judge


def shown(capsys: pytest.CaptureFixture[str], **changes: object) -> str:
    show_measurement(made_up(**changes))
    return capsys.readouterr().out


def test_a_line_of_bars_rises_with_its_values() -> None:
    assert sparkline([1.0, 2.0, 3.0, 4.0]) == "▁▃▆█"
    assert sparkline([5.0, 5.01]) == "▁▂"  # less than 2% is hardly a step
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([7.0]) == "▁"


def test_many_values_keep_their_peaks() -> None:
    line = sparkline([1.0] * 100 + [9.0] + [1.0] * 99, width=40)
    assert len(line) == 40
    assert line.count("█") == 1


def test_a_sustained_run_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, sustained=sustained(throttled=(0, 0)))
    assert "10.00 ms in the first 6 s (warm), 11.00 ms in the last of 60 s (1.10x)" in text
    assert "60.0 °C to 61.0 °C" in text
    assert "1500 MHz" in text


def test_a_void_run_says_so_beside_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {
        line.split("  ")[0]: line for line in shown(capsys, void=("under-voltage",)).splitlines()
    }
    assert lines["p50"].rstrip().endswith("void")
    assert lines["load"].rstrip().endswith("void")
    assert lines["size"].rstrip().endswith("measured")
    assert lines["peak memory"].rstrip().endswith("measured")
    assert "under-voltage: these times do not count" in lines["void"]
    assert list(lines).index("void") < list(lines).index("load")


def test_a_run_that_counts_is_not_called_void(capsys: pytest.CaptureFixture[str]) -> None:
    assert "void" not in shown(capsys)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"id": "local", "target": "local"}, "local"),
        ({"id": "ssh", "target": "ssh://pi@host"}, "ssh://pi@host"),
        ({"id": "raspberry-pi-5", "target": "ssh://pi@host"}, "raspberry-pi-5 at ssh://pi@host"),
    ],
)
def test_the_device_and_how_it_was_reached(
    capsys: pytest.CaptureFixture[str], device: dict[str, str], words: str
) -> None:
    line = next(x for x in shown_device(capsys, device) if x.startswith("device"))
    assert line.removeprefix("device").strip() == words


def shown_device(capsys: pytest.CaptureFixture[str], device: dict[str, str]) -> list[str]:
    from dataclasses import replace

    show_measurement(replace(made_up(), device=dict(device)))
    return capsys.readouterr().out.splitlines()


def test_a_long_path_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    path = "/opt/vendor/lib/a-folder-with-a-long-name/libtensorflowlite_jni_stable.so"
    device = {"android": "14", "id": "android", "target": "android", "os": "Android 14"}
    runtime = {"name": "TFLite", "version": "2.16.1", "file": path, "sha256": "ab" * 32}
    show_measurement(replace(made_up(), device=device, runtime=runtime))
    assert path in capsys.readouterr().out.split()


def test_the_bars_of_a_histogram_stay_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    latencies_ms = [10.0] * 100 + [20.0] * 100 + [30.0] * 100
    show_measurement(made_up(latencies_ms))
    bars = histogram([round(ms * 1e6) for ms in latencies_ms])
    assert " " * 10 in bars
    assert bars in capsys.readouterr().out


def test_a_verdict_says_each_status_once(capsys: pytest.CaptureFixture[str]) -> None:
    budget = parse_budget(
        '[limits]\nsize = "1 MB"\nlatency_p90 = "20 ms"\nenergy_per_inference = "1 mJ"'
    )
    show_verdict(judge(made_up(), budget))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fail         size: 3.00 MB against at most 1.00 MB (measured)"
    assert lines[1].startswith("pass         latency_p90: 10 ms against at most 20 ms (measured)")
    assert lines[2].startswith(
        "unmeasured   energy_per_inference: no figure against at most 1 mJ: "
    )
    assert lines[3] == f"verdict: fail model.tflite against {budget.name}"


def test_a_runtime_that_we_brought_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = {"name": "ai_edge_litert", "version": "2.3.0", "origin": "pushed"}
    assert "which edge-deploy brought there" in shown(capsys, runtime=runtime)


def test_an_emulator_is_named_beside_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    device = {"id": "ssh", "target": "ssh://pi@pi", "emulator": "QEMU's virt board"}
    show_measurement(replace(made_up(), device=device))
    assert "ssh://pi@pi  emulated by QEMU's virt board" in capsys.readouterr().out
    show_measurement(replace(made_up(), device={**device, "cpu_model": "Cortex-A53"}))
    assert "ssh://pi@pi  Cortex-A53, emulated by QEMU's virt board" in capsys.readouterr().out
