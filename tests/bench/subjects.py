"""The models and photos that are measured, made once in a folder of the bench's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from edge_deploy_converters.conversion import convert
from edge_deploy_converters.zoo import ZOO, zoo_cache
from edge_deploy_runner.contract import preset

from edge_deploy.demonstration import crops

from .measuring import ROOT, SHARED_MODELS, quiet_environment, say

ASSETS = ROOT / "assets"
CALIBRATION_CROPS, UNSEEN_CROPS = 100, 400
_BUILD_FROM_ZOO = """
import sys
from pathlib import Path
from edge_deploy_converters.efficientnet_lite import build_efficientnet_lite0
from edge_deploy_converters.torch_weights import read_state_dict
build_efficientnet_lite0(read_state_dict(Path(sys.argv[1]))).save(sys.argv[2])
"""


@dataclass(frozen=True)
class Subject:
    """A trained source with its calibration data and contract."""

    name: str
    source: Path
    calibration: Path
    preprocessing: str

    def bare_arguments(self) -> tuple[str, str]:
        """Mean and std, as the bare scripts take them."""
        wanted = preset(self.preprocessing)
        return f"{wanted.mean[0]:g}", f"{wanted.std[0]:g}"


@dataclass
class Subjects:
    """What there is to measure. `folder` is scratch; `quick` measures less of everything."""

    folder: Path
    quick: bool = False
    _made: dict[tuple[str, str], Path] = field(default_factory=dict)

    @cached_property
    def digits(self) -> Subject:
        """The sample model of the repository."""
        return Subject(
            "digits",
            ASSETS / "digits_mobilenet_v2.keras",
            ASSETS / "digits_calibration.npz",
            "mobilenet",
        )

    @cached_property
    def efficientnet(self) -> Subject | None:
        """EfficientNet-Lite0 with real weights, where there is one on this machine."""
        source = SHARED_MODELS / "efficientnet_lite0.keras"
        if not source.is_file():
            source = self._from_zoo(source.name)
        if not source.is_file():
            return None
        calibration = self.folder / "crops.npz"
        np.savez(calibration, x=crops(self.photos, CALIBRATION_CROPS, seed=1))
        return Subject("efficientnet", source, calibration, "efficientnet-lite")

    def _from_zoo(self, name: str) -> Path:
        weights = zoo_cache() / Path(ZOO["efficientnet-lite0"].member_path).name
        built = self.folder / name
        if weights.is_file():
            command = [sys.executable, "-c", _BUILD_FROM_ZOO, str(weights), str(built)]
            subprocess.run(command, env=quiet_environment(), capture_output=True, check=False)
        return built

    @property
    def both(self) -> list[Subject]:
        """All subjects on this machine; `quick`: the small one alone."""
        other = None if self.quick else self.efficientnet
        return [self.digits, other] if other else [self.digits]

    @cached_property
    def photos(self) -> list[Path]:
        """The photos at hand, upright ones: our own, and those beside the shared models."""
        own = [p for p in (ASSETS / "photos").iterdir() if "rotated" not in p.name]
        beside = [p for p in SHARED_MODELS.glob("*") if p.suffix in (".jpg", ".bmp")]
        return sorted(own) + sorted(beside)

    def model(self, subject: Subject, recipe: str) -> Path:
        """The subject converted by one recipe; the first call makes all that the rows need."""
        if (subject.name, recipe) not in self._made:
            say(f"converting {subject.name} for the other rows")
            made = convert(
                subject.source,
                self.folder / subject.name,
                ("float32", "int8", "weight-int8"),
                calibration=subject.calibration,
                preprocessing=subject.preprocessing,
                force=True,
            )
            self._made.update({(subject.name, m.recipe.name): m.path for m in made.models})
        return self._made[subject.name, recipe]
