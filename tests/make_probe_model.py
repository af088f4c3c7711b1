"""Makes the tiny model that `doctor` runs, and prints the module's lines: run it to change them.

python tests/make_probe_model.py
"""

from __future__ import annotations

import base64
import textwrap

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from small_models import Builder

INPUTS, OUTPUTS = 32, 8


def probe_model() -> bytes:
    """An int8 fully connected layer of 32 x 8 with fixed weights."""
    build = Builder()
    rows, columns = np.indices((OUTPUTS, INPUTS))
    weights = ((rows * 7 + columns * 13) % 31 - 15).astype(np.int8)
    bias = (np.arange(OUTPUTS) * 100 - 350).astype(np.int32)
    source = build.tensor("input", (1, INPUTS), "int8", scale=0.05)
    weight = build.tensor("weights", (OUTPUTS, INPUTS), "int8", weights, scale=0.02)
    offset = build.tensor("bias", (OUTPUTS,), "int32", bias, scale=0.001)
    target = build.tensor("output", (1, OUTPUTS), "int8", scale=0.02, zero_point=-3)
    options = schema.FullyConnectedOptionsT()
    build.operator("FULLY_CONNECTED", [source, weight, offset], [target], options, version=4)
    return build.finish([source], [target])


if __name__ == "__main__":
    for line in textwrap.wrap(base64.b64encode(probe_model()).decode(), 92):
        print(f'    "{line}"')
