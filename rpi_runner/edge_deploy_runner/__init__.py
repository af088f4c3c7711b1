"""What runs on the device: the contract, preprocessing, inference and measurement.

from edge_deploy_runner import Classifier
print(Classifier("model.tflite").classify("photo.jpg").top)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import Answer, Classifier, Score
    from .contract import PRESETS, Contract, Preprocessing, read_contract, read_labels
    from .detector import Detector
    from .sources.opening import open_source
    from .tasks import open_model
    from .tflite.model_file import ModelFile

__all__ = [
    "PRESETS",
    "Answer",
    "Classifier",
    "Contract",
    "Detector",
    "ModelFile",
    "Preprocessing",
    "Score",
    "open_model",
    "open_source",
    "read_contract",
    "read_labels",
]
_HOMES = {
    "Answer": "classifier",
    "Classifier": "classifier",
    "Score": "classifier",
    "PRESETS": "contract",
    "Contract": "contract",
    "Preprocessing": "contract",
    "read_contract": "contract",
    "read_labels": "contract",
    "ModelFile": "tflite.model_file",
    "Detector": "detector",
    "open_model": "tasks",
    "open_source": "sources.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
