"""Why no latency on a GPU or by NNAPI is predicted, and what was published of the very network."""

from __future__ import annotations

import math

from edge_deploy_runner.errors import UsageError

from edge_deploy.catalogue import DeviceProfile

from .choosing import way_to_measure
from .features import features
from .workload import Workload

ACCELERATORS = ("gpu", "nnapi")
# What multiplies tells a network; how many operators lie between depends on the converter.
_SAME_WORK = ("dense_mmac", "depthwise_mmac", "fc_mmac", "weight_melems")
_TOLERANCE = {"rel_tol": 0.02, "abs_tol": 0.05}


def refuse_accelerator(device: DeviceProfile, delegate: str, workload: Workload) -> None:
    """Raise `UsageError` for the GPU and for NNAPI, which nothing predicts.

    It says where a device has no such delegate, else which times were published there of a network
    with the same work and dtype.
    """
    if delegate not in ACCELERATORS:
        return
    unit = delegate.upper()
    if device.kind != "phone":
        raise UsageError(
            f"--delegate {delegate}: the runtime has that delegate on Android only, so that none "
            f"runs on {device.name}; leave --delegate out, which predicts for its CPU"
        )
    published = _published(device.id, delegate, workload)
    what = f"{workload.dtype} networks with the work of {workload.name}"
    known = (
        f"{' and '.join(published)} was published there for {what}"
        if published
        else f"no {unit} time was published of {device.name} for {what}"
    )
    raise UsageError(
        f"latency on {unit} cannot be predicted: how it splits a network shows on the device "
        f"alone; {known}; {way_to_measure(device)}"
    )


def _published(device_id: str, delegate: str, workload: Workload) -> list[str]:
    from .tables.reading import packaged_latencies, packaged_networks

    networks, values = packaged_networks(), features(workload)
    return list(
        dict.fromkeys(
            f"{row.latency_ms:g} ms ({row.model}, {row.runtime}, {row.source})"
            for row in packaged_latencies()
            if (row.device, row.delegate, row.dtype) == (device_id, delegate, workload.dtype)
            and row.model in networks
            and all(
                math.isclose(values[key], networks[row.model].features[key], **_TOLERANCE)
                for key in _SAME_WORK
            )
        )
    )
