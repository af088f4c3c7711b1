"""Raw readings of power travel as JSON."""

from __future__ import annotations

import json

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.machine.power_log import CounterSlice, PowerLog
from edge_deploy_runner.machine.power_meters import PmicMeter, PowerReading, PowerWindow
from edge_deploy_runner.machine.telemetry import Telemetry


def test_readings_come_back() -> None:
    log = PowerLog(
        counter=((CounterSlice(5, 0.4), CounterSlice(9, 0.4, 30)),),
        windows=(
            (
                PowerWindow((PowerReading(1.0, 2.5), PowerReading(1.2, None, 5.1, -0.1)), 0.4),
                PowerWindow((PowerReading(2.0, 4.5),), 0.4, runs=7),
            ),
        ),
        meter="a meter",
        interval_s=0.2,
        evidence="predicted",
        telemetry=(Telemetry(throttled=0), Telemetry(throttled=0x4, arm_clock_mhz=600.0)),
        resolution_uj=12.5,
        reason="half of it",
    )
    assert PowerLog.from_json(json.loads(json.dumps(log.to_json())), "x") == log
    assert PowerLog.from_json(PowerLog().to_json(), "x") == PowerLog()


def test_a_fit_is_no_measurement() -> None:
    assert PmicMeter.evidence == "predicted"


def test_what_is_no_reading_is_named() -> None:
    document = PowerLog(counter=((CounterSlice(5, 0.4), CounterSlice(9, 0.4)),)).to_json()
    document["counter"][0][1]["energy_uj"] = "much"
    with pytest.raises(BadInputError, match="energy_uj"):
        PowerLog.from_json(document, "x")
