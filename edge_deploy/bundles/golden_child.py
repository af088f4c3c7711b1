"""Golden outputs made in a process that may die: kernels assert what their authors expected.

`python -m edge_deploy.bundles.golden_child FOLDER` reads `request.json` and `model.tflite` there,
writes the golden files into `files/`, and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import Preprocessing, preprocessing_from_mapping
from edge_deploy_runner.errors import BadInputError, EdgeDeployError
from edge_deploy_runner.process import die_with_parent
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.inspection import death

from .golden_outputs import Golden, make_golden

# The reference kernels take seconds for a large model, and there are many candidates.
_LIMIT_S = 900.0
_MODEL, _REQUEST, _FILES = "model.tflite", "request.json", "files"


def golden_of(model: ModelFile, preprocessing: Preprocessing | None, model_path: str) -> Golden:
    """`make_golden` in a child process. Raises `BadInputError` where that dies of the model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / _FILES).mkdir()
        (folder / _MODEL).write_bytes(model.data)
        request = {
            "name": model.name,
            "model_path": model_path,
            "preprocessing": preprocessing.to_json() if preprocessing else None,
        }
        (folder / _REQUEST).write_text(json.dumps(request), "utf-8")
        answer = _ask(folder, model.name)
        files = {name: (folder / _FILES / name).read_bytes() for name in answer["files"]}
        return Golden(files, answer["arithmetic"], tuple(answer["warnings"]))


def _ask(folder: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "edge_deploy.bundles.golden_child", str(folder)]
    try:
        child = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_LIMIT_S,
            # PYTHONSAFEPATH: a numpy.py in the user's folder is not ours to import.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        output, reason = child.stdout, death(child.returncode)
    except subprocess.TimeoutExpired:
        output, reason = b"", f"there was no answer within {_LIMIT_S:.0f} s"
    lines = output.decode("utf-8", "replace").splitlines()
    answers: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    if not answers:
        raise BadInputError(
            f"{name} cannot be bundled, since its golden answers cannot be made: with the "
            f"reference kernels {reason}; an untrained network, or one calibrated with data "
            "that it cannot tell apart, is quantized like that: train it, or convert it again "
            "with other calibration data"
        )
    if "error" in answers[0]:
        raise BadInputError(answers[0]["error"])
    return answers[0]


def main() -> None:
    """Make the golden files that the folder on the command line asks for."""
    die_with_parent()
    # What native libraries print must not mix with our line.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    request = json.loads((folder / _REQUEST).read_text("utf-8"))
    model = ModelFile((folder / _MODEL).read_bytes(), request["name"])
    given = request["preprocessing"]
    contract = (
        preprocessing_from_mapping(given, str(given.pop("source", "model"))) if given else None
    )
    try:
        golden = make_golden(model, contract, request["model_path"])
    except EdgeDeployError as error:
        print(json.dumps({"error": str(error)}), file=answers, flush=True)
        return
    for name, data in golden.files.items():
        (folder / _FILES / name).write_bytes(data)
    answer = {
        "arithmetic": golden.arithmetic,
        "warnings": golden.warnings,
        "files": list(golden.files),
    }
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
