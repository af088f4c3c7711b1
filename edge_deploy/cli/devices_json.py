"""What `devices --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edge_deploy_runner.errors import BadInputError

if TYPE_CHECKING:
    from edge_deploy.catalogue import DeviceProfile
    from edge_deploy.prediction.latency.model import LatencyModel


def readable_entries(profile: DeviceProfile) -> tuple[list[LatencyModel], BadInputError | None]:
    """A device's latency entries, or none and what is wrong with its file."""
    try:
        return list(profile.latency), None
    except BadInputError as error:
        return [], error


def list_json(
    profiles: Sequence[DeviceProfile], damaged: Mapping[str, BadInputError]
) -> dict[str, Any]:
    """Every device without the points of its latency entries, and the files that are damaged."""
    errors = dict(damaged)
    listed = []
    for profile in profiles:
        entries, error = readable_entries(profile)
        if error:
            errors[profile.id] = error
        latency = [entry_json(entry) for entry in entries]
        listed.append({**profile.to_json(), "latency": latency})
    return {
        "devices": listed,
        "damaged": [{"id": name, "error": str(error)} for name, error in errors.items()],
    }


def device_json(profile: DeviceProfile) -> dict[str, Any]:
    """One device with its coefficients and the points behind them."""
    return {
        **profile.to_json(),
        "latency": [entry_json(entry, points=True) for entry in profile.latency],
    }


def entry_json(entry: LatencyModel, points: bool = False) -> dict[str, Any]:
    """One latency entry, its error, and with `points` what it was fitted on."""
    error = entry.error()
    document = {
        "cluster": entry.cluster,
        "dtype": entry.dtype,
        "threads": entry.threads,
        "runtime": entry.runtime,
        "delegate": entry.delegate,
        "models": error.n,
        "error": {
            "leave_one_out": error.mae_loo,
            "leave_family_out": error.mae_lofo,
            "worst": error.worst,
            "coverage80": error.coverage80,
        },
        "like": entry.like or None,
        "made": entry.made,
        "source": entry.source,
        "standing": entry.standing,
    }
    if not points:
        return document
    return {
        **document,
        "like_runtime": entry.like_runtime or None,
        "scale_note": entry.scale_note or None,
        "noise": entry.noise or None,
        "kinds": list(entry.kinds),
        "feature_version": entry.feature_version,
        "coefficients_ms": dict(entry.coefficients),
        "points": [
            {
                "model": point.model,
                "family": point.family,
                "measured_ms": point.measured_ms,
                "held_out_ms": point.held_out_ms,
                "family_held_out_ms": point.family_held_out_ms,
                "features": dict(point.features),
            }
            for point in entry.points
        ],
    }
