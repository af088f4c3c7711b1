"""From a model and a passing verdict to what a device or an app takes in, whole."""

from __future__ import annotations

import os

from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.progress import Progress, silent

from edge_deploy.budget import Budget, read_budget

from .android import bundle_for_android
from .bundle_record import Bundle
from .raspberry_pi import DeviceOptions, bundle_for_pi
from .targets import BundleTarget, LibraryTarget, find_target
from .verdicts import GateError
from .wheels import SiteArchive

__all__ = ["Bundle", "GateError", "bundle"]


def bundle(
    model: str | os.PathLike[str],
    target: str | BundleTarget | LibraryTarget,
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    package: str | None = None,
    verdict: str | os.PathLike[str] | None = None,
    budget: str | os.PathLike[str] | Budget | None = None,
    service: str | os.PathLike[str] | None = None,
    preprocessing: Preprocessing | None = None,
    labels: tuple[str, ...] | None = None,
    override: bool = False,
    wheels: str | os.PathLike[str] | None = None,
    site: SiteArchive | None = None,
    force: bool = False,
    on_progress: Progress = silent,
) -> Bundle:
    """Build a bundle of a model for a target, such as "rpi-bookworm" or "android-aar".

    `output` is what is written, or a folder that gets it: NAME-TARGET.tar.gz for a Pi, NAME.aar,
    or a folder NAME-android-module (a zip where `output` ends in .zip). With `force`, what is
    there is replaced, but for a module that holds somebody's changes. `name` is by default the
    model's. `verdict` is a file that `judge` wrote, or `profile` with a budget, about this very
    model. `preprocessing` and `labels` are put into a model that carries none, or with `override`
    others. Two builds from the same files are the same, byte for byte.

    For a Pi: of `budget` the memory limit is kept by the service. `service` is a service.toml;
    without one the service watches a folder. `wheels` is a folder of wheels for a machine without
    network, `site` what is taken instead of the pinned packages.

    For an app: `package` is the Java package of the classes, by default dev.edgedeploy.NAME. Of
    `budget` the size limit is held against the model.

    Raises `GateError` for a verdict that did not pass, `BadInputError`, `UsageError`,
    `BundleError` for wheels that are not the pinned ones, and `OutputError`.
    """
    if isinstance(target, str):
        target = find_target(target)
    _check_options(target, package, service, wheels, site)
    if budget is not None and not isinstance(budget, Budget):
        budget = read_budget(budget)
    if isinstance(target, LibraryTarget):
        return bundle_for_android(
            model, target, output, name=name, package=package, verdict=verdict,
            budget=budget, preprocessing=preprocessing, labels=labels, override=override,
            force=force, on_progress=on_progress,
        )  # fmt: skip
    return bundle_for_pi(
        model, target, output, name=name, verdict=verdict, budget=budget,
        preprocessing=preprocessing, labels=labels, override=override,
        options=DeviceOptions(service, wheels, site), force=force, on_progress=on_progress,
    )  # fmt: skip


def _check_options(
    target: BundleTarget | LibraryTarget,
    package: str | None,
    service: object,
    wheels: object,
    site: object,
) -> None:
    """Raise `UsageError` for an option that the target has no use for."""
    if not isinstance(target, LibraryTarget):
        if package is not None:
            raise UsageError(
                f"--package names the Java package of an Android library; leave it out for "
                f"{target.name}"
            )
        return
    if service is not None:
        raise UsageError(
            f"--service is for bundles that run a service of their own; leave it out for "
            f"{target.name}, where the app decides when to run the model"
        )
    if wheels is not None or site is not None:
        raise UsageError(
            f"--wheels names Python packages for a Raspberry Pi; leave it out for {target.name}"
        )
