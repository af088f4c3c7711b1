"""Published networks rebuilt from shapes, against the reference table and published figures."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from edge_deploy.prediction.features import features
from edge_deploy.prediction.networks.published import PublishedNetwork, published_networks
from edge_deploy.prediction.networks.table import COLUMNS, READ, write_table
from edge_deploy.prediction.workload import DETECTION_POSTPROCESS

TABLE = ROOT / "edge_deploy" / "reference" / "model_features.csv"
NETWORKS = {network.name: network for network in published_networks()}
WORK = ("dense_mmac", "depthwise_mmac", "fc_mmac", "weight_melems")


def rows() -> dict[str, dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def read_rows() -> list[str]:
    return [name for name, row in rows().items() if row["source"] == READ]


def test_each_name_is_there_once() -> None:
    names = [network.name for network in published_networks()]
    assert len(names) == len(set(names))
    assert set(names) == set(rows())


@pytest.mark.parametrize("name", read_rows())
def test_rebuilt_networks_count_as_the_reference_table_does(name: str) -> None:
    row, found = rows()[name], features(NETWORKS[name].workload())
    for column in WORK:
        assert found[column] == pytest.approx(float(row[column]), rel=1e-3, abs=1e-3)
    # The table has no additions in this one network, and a reshape in each MobileNetV1.
    additions = 40 if name == "Inception_ResNet_V2" else 0
    assert found["n_ops"] - additions == pytest.approx(float(row["n_ops"]), abs=1)
    if not additions:
        assert found["activation_melems"] == pytest.approx(
            float(row["activation_melems"]), rel=0.013
        )


@pytest.mark.parametrize(
    "network",
    [network for network in published_networks() if network.published_gmac],
    ids=lambda network: network.name,
)
def test_multiply_accumulates_are_those_that_were_published(network: PublishedNetwork) -> None:
    assert network.workload().macs / 1e9 == pytest.approx(network.published_gmac, rel=0.02)


def test_the_table_is_what_its_command_writes(tmp_path: Path) -> None:
    copy = tmp_path / "features.csv"
    shutil.copy(TABLE, copy)
    write_table(copy)
    assert copy.read_bytes() == TABLE.read_bytes()


def test_detectors_end_in_all_anchors() -> None:
    anchors = {
        "SSD MobileNet v1@300x300": 1917,
        "SSDLite MobileDet-CPU@320x320": 2034,
        "SSD Mobilenet v1 FPN@640x640": 51150,
        "EfficientDet-lite0@320x320": 19206,
    }
    for name, count in anchors.items():
        last = NETWORKS[name].workload().operators[-1]
        classes = 90 if name.startswith("Eff") else 91
        assert last.kind == DETECTION_POSTPROCESS
        assert last.input_elements == count * (classes + 4)


def test_every_row_has_a_family_and_a_source() -> None:
    for name, row in rows().items():
        assert tuple(row) == COLUMNS
        assert row["family"] == NETWORKS[name].family
        assert row["source"].startswith((READ, "rebuilt: "))
