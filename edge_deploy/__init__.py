"""Take a trained model to a phone or a Raspberry Pi, and prove that it fits.

    from edge_deploy import convert, evaluate, judge, profile, read_budget

    made = convert("model.keras", "out", ["int8"], calibration="photos", preprocessing="mobilenet")
    accuracy = evaluate(made.models[0].path, "labelled", reference="model.keras")
    verdict = judge(profile(made.models[0].path), read_budget("budget.toml"), accuracy)

Each step takes values and returns a value; nothing heavy is imported before it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_deploy_converters.conversion import convert
    from edge_deploy_converters.recipes import Recipe
    from edge_deploy_runner.bench.records import Measurement
    from edge_deploy_runner.bench.run_spec import RunSpec
    from edge_deploy_runner.classifier import Classifier
    from edge_deploy_runner.contract import Preprocessing, read_preprocessing

    from .accuracy import Accuracy
    from .budget import Budget, read_budget
    from .bundles.bundling import Bundle, bundle
    from .bundles.installing import install
    from .comparing import diff
    from .diagnosis import diagnose
    from .evaluation import evaluate
    from .inspection import inspect
    from .judging import Verdict, judge
    from .prediction.calibration.own_device import OwnDevice, calibrate_device
    from .profiling import profile

__all__ = [
    "Accuracy",
    "Budget",
    "Bundle",
    "Classifier",
    "Measurement",
    "OwnDevice",
    "Preprocessing",
    "Recipe",
    "RunSpec",
    "Verdict",
    "bundle",
    "calibrate_device",
    "convert",
    "diagnose",
    "diff",
    "evaluate",
    "inspect",
    "install",
    "judge",
    "profile",
    "read_budget",
    "read_preprocessing",
]
_HOMES = {
    "Accuracy": "edge_deploy.accuracy",
    "Budget": "edge_deploy.budget",
    "Bundle": "edge_deploy.bundles.bundling",
    "Classifier": "edge_deploy_runner.classifier",
    "Measurement": "edge_deploy_runner.bench.records",
    "OwnDevice": "edge_deploy.prediction.calibration.own_device",
    "Preprocessing": "edge_deploy_runner.contract",
    "Recipe": "edge_deploy_converters.recipes",
    "RunSpec": "edge_deploy_runner.bench.run_spec",
    "Verdict": "edge_deploy.judging",
    "bundle": "edge_deploy.bundles.bundling",
    "calibrate_device": "edge_deploy.prediction.calibration.own_device",
    "convert": "edge_deploy_converters.conversion",
    "diagnose": "edge_deploy.diagnosis",
    "diff": "edge_deploy.comparing",
    "evaluate": "edge_deploy.evaluation",
    "inspect": "edge_deploy.inspection",
    "install": "edge_deploy.bundles.installing",
    "judge": "edge_deploy.judging",
    "profile": "edge_deploy.profiling",
    "read_budget": "edge_deploy.budget",
    "read_preprocessing": "edge_deploy_runner.contract",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
