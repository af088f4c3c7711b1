"""The model of a service: notices that its file was replaced, and changes to a good one only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edge_deploy_runner.errors import BadInputError, EdgeDeployError
from edge_deploy_runner.tasks import Model, find, prepare_input
from edge_deploy_runner.tflite.model_file import read_model_bytes

Look = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Loaded:
    """A model that answers, and the sha256 of its file."""

    model: Model
    sha256: str


def load(path: Path, open_model: Callable[[], Model]) -> Loaded:
    """Open a model, run it once on noise, and name its file's sha256.

    Raises `BadInputError` for a model that is damaged, answers with NaN, or changes meanwhile.
    """
    before = file_sha256(path)
    model = open_model()
    width, height = model.input.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    find(model, prepare_input(model, Image.fromarray(noise)))
    if file_sha256(path) != before:
        raise BadInputError(f"{path} changes while it is being read")
    return Loaded(model, before)


def file_sha256(path: Path) -> str:
    """The sha256 of a model file, in hex; raises `BadInputError` where it cannot be read."""
    return hashlib.sha256(read_model_bytes(path)).hexdigest()


class ModelWatch:
    """Looks, when asked, whether the file at `path` or the card beside it is another one now.

    A file is read only when it looked the same twice in a row, so that one that is still being
    copied is left alone. `open_model` reads the contract again as well.
    """

    def __init__(self, path: Path, open_model: Callable[[], Model]) -> None:
        self.path = path
        self._open_model = open_model
        self._judged = self._look()
        self.loaded = load(path, open_model)
        self._last = self._judged

    def check(self) -> tuple[bool, str] | None:
        """Look once: None where nothing is new, else whether the model changed, and a sentence."""
        look = self._look()
        stable, self._last = look == self._last, look
        if look == self._judged or not stable:
            return None
        self._judged = look
        try:
            if file_sha256(self.path) == self.loaded.sha256:
                return None
            fresh = load(self.path, self._open_model)
        except EdgeDeployError as error:
            return False, (
                f"the model on disk has changed and cannot be used: {error}; "
                f"the one loaded before goes on (sha256 {self.loaded.sha256[:16]})"
            )
        old, self.loaded = self.loaded, fresh
        return True, (
            f"the model {self.path.name} was replaced: sha256 {fresh.sha256} is loaded now, "
            f"before it was {old.sha256[:16]}"
        )

    def _look(self) -> Look:
        looks: list[tuple[int, int, int] | None] = []
        for path in (self.path, self.path.with_suffix(".json")):
            try:
                found = path.stat()
                looks.append((found.st_ino, found.st_size, found.st_mtime_ns))
            except OSError:
                looks.append(None)
        return tuple(looks)
