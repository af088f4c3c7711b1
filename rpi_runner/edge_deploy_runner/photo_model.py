"""One model that sees photos: its contract, its runtime, and its input tensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .contract import Contract, Preprocessing, read_contract
from .errors import BadInputError
from .interpreter import LoadedModel, input_spec
from .preprocessing import open_photo, pixels_to_tensor, prepare
from .tflite.model_file import ModelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .reduced_photo import ReducedPhoto


class PhotoModel:
    """What a classifier and a detector share: from a photo to the input tensor of a loaded model.

    `file` is what `open_photo_model` read from `path`, and is not kept; the other parameters are
    those of `Classifier`. `carried_labels` are those given, else the model's
    own, and `labels_origin` says in words where they came from.
    """

    task = "photo model"
    contract_hint = ""

    def __init__(
        self,
        path: Path,
        file: ModelFile,
        threads: int | None,
        preprocessing: Preprocessing | None,
        labels: tuple[str, ...] | None,
        override: bool,
        kernels: str,
        draft: bool,
    ) -> None:
        self.path = path
        self.draft = draft
        # One who overrides everything can also use a model whose own contract is damaged.
        contract = Contract() if override and preprocessing and labels else read_contract(file)
        carried = contract.preprocessing
        if preprocessing and carried and preprocessing != carried and not override:
            raise BadInputError(
                f"{file.name} carries its own preprocessing contract; add --override to use another"
            )
        if labels and contract.labels and labels != contract.labels and not override:
            raise BadInputError(f"{file.name} carries its own labels; add --override to use others")
        self.preprocessing = preprocessing or carried
        self.carried_labels = labels or contract.labels
        self.labels_origin = "the label file" if labels else f"the label file in {file.name}"
        self.loaded = LoadedModel(file.data, threads, kernels, name=file.name)
        if len(self.loaded.inputs) != 1:
            raise BadInputError(
                f"{file.name} has {len(self.loaded.inputs)} inputs; a {self.task} has one"
            )
        layout = self.preprocessing.layout if self.preprocessing else "NHWC"
        self.input = input_spec(self.loaded.inputs[0], file.name, layout)

    def photo_contract(self) -> Preprocessing:
        """How photos become this model's input; raises `BadInputError` where that is not known."""
        if self.preprocessing is None:
            raise BadInputError(
                f"{self.path.name} carries no preprocessing contract, so the right pixels cannot "
                f"be known; name it with --preprocess PRESET|FILE{self.contract_hint}"
            )
        if self.preprocessing.channels != self.input.channels:
            raise BadInputError(
                f"the contract gives {self.preprocessing.color_order} pixels but {self.path.name} "
                f"takes {self.input.channels} channel(s); name another contract with --preprocess"
            )
        return self.preprocessing

    def decode(self, photo: str | os.PathLike[str]) -> Image.Image | ReducedPhoto:
        """The photo in a file, decoded for `prepare`; raises `BadInputError`."""
        if not self.draft:
            return open_photo(photo)
        from .reduced_photo import open_reduced

        return open_reduced(photo, self.input.size, self.photo_contract())

    def prepare(self, photo: str | os.PathLike[str] | Image.Image | ReducedPhoto) -> NDArray[Any]:
        """The input tensor for a photo: decoded, turned upright, cropped, resized, normalized."""
        contract = self.photo_contract()
        image = self.decode(photo) if isinstance(photo, str | os.PathLike) else photo
        if isinstance(image, Image.Image):
            return prepare(image, contract, self.input)
        from .reduced_photo import fit_reduced

        pixels = np.asarray(fit_reduced(image, self.input.size, contract))
        return pixels_to_tensor(pixels, contract, self.input)


def open_photo_model(path: Path) -> ModelFile:
    """The model in a file, checked against the card beside it; raises `BadInputError`."""
    file = ModelFile.open(path)
    check_card(file, path)
    return file


def check_card(file: ModelFile, path: Path) -> None:
    """Raise `BadInputError` where the model card beside the file names another sha256.

    Most flipped bits in a model run without any error and give wrong answers; only the hash
    tells. Models without a card are taken as they are.
    """
    card = path.with_suffix(".json")
    if not card.is_file():
        return
    import json

    try:
        record = json.loads(card.read_text("utf-8"))
        expected = record["model"]["sha256"] if record.get("format") == "edge-deploy card" else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if expected and expected != file.sha256:
        raise BadInputError(
            f"{path} is not the model that its card {card.name} describes (another sha256): it was "
            "damaged or replaced; copy both files again"
        )
