"""The way to a device that is calibrated: this computer, ssh or a phone, held open meanwhile."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge_deploy_android.measuring import AndroidOptions, measure_on_android
from edge_deploy_android.target import AndroidTarget
from edge_deploy_runner.bench.measuring import Measured, Request, measure
from edge_deploy_runner.bench.operators import OperatorModel
from edge_deploy_runner.errors import DeviceError
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.remote.target import SshTarget

Target = SshTarget | AndroidTarget | None
"""None is this computer."""
Measure = Callable[[Request, Sequence[OperatorModel], Progress], Measured]


@contextlib.contextmanager
def connected(
    target: Target,
    paths: tuple[Path, ...],
    wheels: Path | None,
    android: AndroidOptions | None,
    on_progress: Progress,
) -> Iterator[tuple[tuple[Path, ...], Measure]]:
    """Where the models at `paths` lie on the device, and how to measure there.

    What was put there is removed at the end, whatever ends it.
    """
    if target is None:
        yield paths, measure
    elif isinstance(target, AndroidTarget):
        options = android or AndroidOptions()

        def on_phone(
            request: Request, operators: Sequence[OperatorModel], report: Progress
        ) -> Measured:
            return measure_on_android(target, request, operators, options, report)

        yield paths, on_phone
    else:
        from edge_deploy.remote.runner import RemoteRunner
        from edge_deploy.remote.ssh import SshDevice

        on_progress(f"connecting to {target.login}", 0, 0)
        with SshDevice(target) as device:
            runner = RemoteRunner(device, wheels)
            runner.prepare(on_progress)
            there: list[str] = []
            try:
                for path in paths:
                    sha256 = ModelFile.open(path).sha256
                    there.append(runner.push_model(path, sha256, on_progress))
                yield tuple(Path(one) for one in there), runner.bench
            finally:
                with contextlib.suppress(DeviceError, OSError):
                    device.run(["rm", "-f", "--", *there], timeout_s=20)


def name_of(target: Target) -> str:
    """What sentences call the device."""
    if target is None:
        return platform.node() or "this computer"
    return target.login if isinstance(target, SshTarget) else target.url
