"""GPU and NNAPI: never predicted; what was published of the very network is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edge_deploy_runner.errors import UsageError

from edge_deploy.catalogue import all_profiles, device_profile
from edge_deploy.prediction.accelerators import ACCELERATORS, refuse_accelerator
from edge_deploy.prediction.networks.published import published_networks
from edge_deploy.prediction.tables.reading import packaged_latencies
from edge_deploy.prediction.workload import Workload

NETWORKS = {network.name: network for network in published_networks()}


def workload(name: str, dtype: str = "float32") -> Workload:
    return replace(NETWORKS[name].workload(), dtype=dtype)


def refusal(device: str, delegate: str, found: Workload) -> str:
    with pytest.raises(UsageError) as caught:
        refuse_accelerator(device_profile(device), delegate, found)
    return str(caught.value)


@pytest.mark.parametrize("delegate", ["auto", "xnnpack", "none"])
def test_the_cpu_is_not_refused(delegate: str) -> None:
    refuse_accelerator(device_profile("pixel-3"), delegate, workload("Mobilenet_V1_1.0_224"))


@pytest.mark.parametrize("delegate", ACCELERATORS)
def test_every_published_time_is_found_for_its_own_network(delegate: str) -> None:
    rows = [
        row
        for row in packaged_latencies()
        if row.delegate == delegate and row.device in all_profiles() and row.model in NETWORKS
    ]
    assert len(rows) > 30
    for row in rows:
        if device_profile(row.device).kind == "phone":
            text = refusal(row.device, delegate, workload(row.model, row.dtype))
            assert f"; {row.latency_ms:g} ms ({row.model}, {row.runtime}, " in text
            assert text.count(" ms (") == 1


def test_what_was_published_of_another_network_is_not_lent() -> None:
    network = workload("Mobilenet_V1_1.0_224")
    larger = replace(network, operators=(*network.operators, *network.operators[:5]))
    for found in (larger, replace(network, dtype="int8")):
        text = refusal("pixel-3", "gpu", found)
        assert " ms" not in text
        assert f"no GPU time was published of Google Pixel 3 for {found.dtype} networks" in text
        assert text.endswith("measure on the device itself, with --device android")
    assert "no GPU time was published of Google Pixel 8" in refusal("pixel-8", "gpu", network)


@pytest.mark.parametrize("delegate", ACCELERATORS)
def test_a_board_has_no_such_delegate_to_measure_with(delegate: str) -> None:
    text = refusal("raspberry-pi-5", delegate, workload("Mobilenet_V1_1.0_224"))
    assert text == (
        f"--delegate {delegate}: the runtime has that delegate on Android only, so that none runs "
        "on Raspberry Pi 5; leave --delegate out, which predicts for its CPU"
    )
