"""The table of published networks' features, `edge_deploy/reference/model_features.csv`.

`python -m edge_deploy.prediction.networks.table FILE` works all rows out again, but for those of
the reference table, which stay as they were read.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from edge_deploy.prediction.features import features

from .published import published_networks

COLUMNS = (
    "model", "dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "weight_melems",
    "n_ops", "large_depthwise_mmac", "im2col_melems", "unfolded_melems", "detection_melems",
    "family", "source",
)  # fmt: skip
READ = "reference table"
_READ_COLUMNS = COLUMNS[1:7]
_COUNTED_COLUMNS = COLUMNS[1:11]
# Names of other tables for networks of the reference table.
_ALIASES = {
    "DenseNet": "DenseNet121",
    "MobileNet v1 1.0X": "Mobilenet_V1_1.0_224",
    "MobileNet v2 1.0X": "Mobilenet_V2_1.0_224",
}


def table_rows(read: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Rows of all published networks; `read` are those of the reference table, by model.

    Those keep the columns that they came with. The others are counted.
    """
    rows = []
    for network in published_networks():
        found = features(network.workload())
        row = {name: _number(found[name]) for name in _COUNTED_COLUMNS}
        original = _ALIASES.get(network.name, network.name)
        source = f"rebuilt: {network.after}"
        if original in read:
            row.update({name: read[original][name] for name in _READ_COLUMNS})
            source = READ if original == network.name else f"{READ}: {original}"
        rows.append({"model": network.name, **row, "family": network.family, "source": source})
    return rows


def write_table(path: Path) -> None:
    """Work out the table at `path` again; what was read for the reference table stays."""
    with path.open(newline="", encoding="utf-8") as file:
        read = {row["model"]: row for row in csv.DictReader(file) if row["source"] == READ}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table_rows(read))


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
