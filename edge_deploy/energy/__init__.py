"""Energy of one inference and what it costs a battery: pure functions over power and time.

Two figures are kept apart: marginal, what an inference adds to an idle device,
(P_load - P_idle) * t, and gross, P_load * t. Power comes from a counter or a meter
(`counted.py`), from the user, or from a device's power model (`catalogue/power_models.py`); what
it costs a battery is in `batteries.py`.
"""

from .batteries import (
    CONVERTER_EFFICIENCIES,
    CONVERTER_EFFICIENCY,
    Battery,
    battery_use,
    rate_warning,
    without_converter,
)
from .counted import counted_energy, mean_watts, measured_energy, metered_energy
from .powered import (
    LatencyRange,
    PowerDraw,
    beside,
    predicted_energy,
    scaled_load,
    user_power,
)

__all__ = [
    "CONVERTER_EFFICIENCIES",
    "CONVERTER_EFFICIENCY",
    "Battery",
    "LatencyRange",
    "PowerDraw",
    "battery_use",
    "beside",
    "counted_energy",
    "mean_watts",
    "measured_energy",
    "metered_energy",
    "predicted_energy",
    "rate_warning",
    "scaled_load",
    "user_power",
    "without_converter",
]
