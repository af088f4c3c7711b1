"""What is done once for all recipes: the float model, its calibration, the source's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from edge_deploy_runner.contract import Contract, fit_labels
from edge_deploy_runner.errors import BadInputError, ConversionError
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.tflite.model_file import ModelFile

from .bias_correction import Means, mean_inputs
from .calibration import Ranges, calibrate
from .calibration_data import FEW_SAMPLES, CalibrationSet, read_calibration, synthetic_set
from .frontend import FrontEnd
from .recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROOF_SAMPLES = 32


@dataclass(frozen=True)
class Work:
    """What all recipes share: the float model, its inputs and the source's answers."""

    float_file: ModelFile
    contract: Contract
    samples: CalibrationSet
    chosen: list[int]
    reference: list[NDArray[np.float32]]
    ranges: Ranges | None
    means: Means | None
    real: bool
    warnings: tuple[str, ...]
    corrected: dict[str, bytes] = field(default_factory=dict)


def prepare(
    front_end: FrontEnd,
    contract: Contract,
    calibration: str | Path | None,
    recipes: Sequence[Recipe],
    on_progress: Progress,
) -> Work:
    """Everything that is done once, whatever the number of recipes.

    While the child converts, this process reads the calibration data; while the child answers the
    proof's inputs as the source does, it calibrates on what was converted.
    """
    front_end.wait_loaded()
    front_end.start_convert()
    warnings: list[str] = []
    if calibration is not None:
        samples = read_calibration(
            calibration, front_end.inputs, contract.preprocessing, on_progress
        )
        warnings += [f"skipped: {reason}" for reason in samples.skipped]
        if len(samples) < FEW_SAMPLES:
            warnings.append(
                f"only {len(samples)} calibration samples: {FEW_SAMPLES} or more typical ones "
                "give better ranges"
            )
    else:
        samples = synthetic_set(front_end.inputs, contract.preprocessing)
        warnings.append(
            "no calibration data: the proofs used made-up inputs; give real ones with --calibration"
        )
    chosen = samples.spread(_PROOF_SAMPLES)
    rows = [samples.sample(i) for i in chosen]
    types = {tensor.name: tensor.dtype for tensor in front_end.inputs}
    front_end.start_run(
        {name: np.stack([row[name] for row in rows]).astype(types[name]) for name in rows[0]}
    )
    float_model = front_end.finish_convert()
    float_file = ModelFile(float_model, "the float32 model")
    contract = _checked(float_file, contract, warnings)
    ranges = None
    if any(recipe.needs_calibration for recipe in recipes):
        ranges = calibrate(float_model, samples, len(samples), on_progress)
    means = None
    if calibration is not None and any(recipe.weights == "int8" for recipe in recipes):
        means = mean_inputs(float_file, (samples.sample(i) for i in chosen))
    reference = [output.astype(np.float32) for output in front_end.finish_run()]
    front_end.stop()
    if not all(np.isfinite(output).all() for output in reference):
        raise ConversionError(
            f"{front_end.source.name} itself answers with NaN; it was not trained or saved well"
        )
    return Work(
        float_file, contract, samples, chosen, reference, ranges, means,
        calibration is not None, tuple(warnings),
    )  # fmt: skip


def _checked(model: ModelFile, contract: Contract, warnings: list[str]) -> Contract:
    """The contract, held against the model's own shapes."""
    labels = contract.labels
    if labels:
        width = model.outputs[0].shape[-1] if model.outputs and model.outputs[0].shape else 0
        background = bool(contract.preprocessing and contract.preprocessing.background_class)
        labels = tuple(label.strip() for label in fit_labels(labels, width, background))
        if labels != tuple("\n".join(labels).rstrip().splitlines()):
            raise BadInputError(
                "a label holds a line break, or the last one is empty: write each on a line of its "
                "own"
            )
    wanted = contract.preprocessing
    photo = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    if wanted is None and not photo:
        return contract._replace(labels=labels)
    if wanted is None:
        warnings.append(
            "no preprocessing contract: evaluate, run and bundle will need --preprocess"
        )
    elif photo:
        shape = model.inputs[0].shape
        channels = shape[1] if wanted.layout == "NCHW" else shape[3]
        if channels != wanted.channels:
            raise BadInputError(
                f"the model takes {channels} channel(s) but the contract gives "
                f"{wanted.color_order}; choose another --preprocess"
            )
    else:
        raise BadInputError(
            "a preprocessing contract is for models with one photo input; this one takes "
            + " and ".join(str(list(tensor.shape)) for tensor in model.inputs)
            + ": leave --preprocess out"
        )
    return contract._replace(labels=labels)
