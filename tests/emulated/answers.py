"""What models answer, on whatever machine runs this: `python answers.py REQUEST OUT.npz`.

REQUEST is a JSON file: {"models": {name: path}, "kernels": [names], "digits": an .npz whose `x` is
uint8 (N, height, width)}. OUT gets one array of raw outputs, (N, classes) of the model's own dtype,
named NAME/KERNELS, and one of what went into each model, named NAME/input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from edge_deploy_runner.classifier import Classifier
from PIL import Image


def main(request_file: str, out: str) -> None:
    """Answer a request; one thread, so that nothing depends on the machine's cores."""
    request = json.loads(Path(request_file).read_text("utf-8"))
    with np.load(request["digits"]) as samples:
        photos = [Image.fromarray(x).convert("RGB") for x in samples["x"]]
    found = {}
    for name, path in request["models"].items():
        for kernels in request["kernels"]:
            classifier = Classifier(path, 1, kernels=kernels)
            tensors = [classifier.prepare(photo) for photo in photos]
            found[f"{name}/input"] = np.concatenate(tensors)
            outputs = [classifier.loaded.run(tensor)[0] for tensor in tensors]
            found[f"{name}/{kernels}"] = np.concatenate(outputs)
    np.savez(out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
