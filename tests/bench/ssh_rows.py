"""`profile` over ssh against the same profile on this machine: what the way there costs."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from unittest import mock

from edge_deploy_runner.bench.run_spec import RunSpec

from edge_deploy.profiling import profile
from edge_deploy.remote.ssh import SshDevice, parse_target
from tests.sshd import running_sshd

from .measuring import Row, interleaved, medians, say
from .subjects import Subjects

_MOST_SECONDS = 3.0
_SPEC = RunSpec(min_runs=20, min_seconds=0.5, max_seconds=5.0)


def ssh_rows(subjects: Subjects) -> list[Row]:
    """Seconds that ssh adds once connected, with the runner and the model already there.

    The device is this very machine, through a real sshd, so that the bench itself takes as long.
    """
    rows = []
    with running_sshd(subjects.folder / "sshd") as server, mock.patch.dict(
        "os.environ", {"PATH": server.client_environment()["PATH"]}
    ):  # fmt: skip
        for subject in subjects.both:
            say(f"profile over ssh, {subject.name}")
            model = subjects.model(subject, "int8")
            profile(model, device=server.url, spec=_SPEC)  # pushes the runner and the model
            connecting = median(_connect(server.url) for _ in range(5))
            pairs = interleaved(
                lambda m=model, c=connecting: _profile(m, server.url) - c,
                lambda m=model: _profile(m, "local"),
                3 if subjects.quick else 9,
            )
            values = tuple(first - second for first, second in pairs)
            rows.append(
                Row(
                    f"profile over ssh, {subject.name} int8",
                    "over ssh - here",
                    values,
                    f"<= {_MOST_SECONDS:g}s",
                    median(values) <= _MOST_SECONDS,
                    "s",
                    f"{medians(pairs)}; connecting takes {connecting:.2f} s more",
                )
            )
    return rows


def _connect(url: str) -> float:
    begun = time.perf_counter()
    with SshDevice(parse_target(url)):
        return time.perf_counter() - begun


def _profile(model: Path, device: str) -> float:
    begun = time.perf_counter()
    profile(model, device=device, spec=_SPEC)
    return time.perf_counter() - begun
