"""What a predicted latency costs in energy, and of a battery."""

from __future__ import annotations

from dataclasses import replace

from edge_deploy_runner.bench.records import Energy, Measurement
from edge_deploy_runner.errors import UsageError

from edge_deploy.catalogue import DeviceProfile, profile_power
from edge_deploy.energy import (
    Battery,
    PowerDraw,
    battery_use,
    beside,
    predicted_energy,
    rate_warning,
    without_converter,
)


def with_consumption(
    predicted: Measurement,
    device: DeviceProfile,
    *,
    power: PowerDraw | None = None,
    battery: Battery | None = None,
    rate_hz: float | None = None,
) -> Measurement:
    """A prediction with its energy and, where there is a battery, what it costs that one.

    Power is the device's own model unless the user states `power`; where the two disagree both
    are kept. The battery is the device's own unless one is given. Raises `UsageError` for a rate
    without a battery, and `BadInputError` for one that is too high.
    """
    assert predicted.prediction is not None
    latency = predicted.prediction.latency["p50"]
    own = profile_power(device, predicted.spec.threads, predicted.prediction.basis.cluster)
    if power is not None:
        energy = beside(predicted_energy(power, latency), own, latency, power.standing)
    elif own is not None:
        energy = predicted_energy(own, latency)
    else:
        energy = Energy(
            "unknown",
            reason=f"nothing is known of what {device.name} draws; state it with --watts IDLE:LOAD",
        )
    result = replace(predicted, energy=energy)
    if battery is None:
        battery = device.battery()
    elif device.battery() is not None:
        battery = without_converter(battery)  # such a device's power is stated at its battery
    if battery is None:
        if rate_hz is not None:
            raise UsageError(
                f"--rate needs a battery, and {device.name} has none of its own; add --battery, as "
                "in --battery 5000mAh@3.85V"
            )
        return result
    warning = None if rate_hz is None else rate_warning(rate_hz, latency)
    return replace(
        result,
        battery=battery_use(battery, energy, latency, rate_hz),
        warnings=(*result.warnings, *([warning] if warning else ())),
    )
