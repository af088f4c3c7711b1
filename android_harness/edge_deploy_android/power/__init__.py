"""Energy of a phone, by what it says of its own battery and power rails."""

from .estimating import power_log, supply_refusal
from .measuring import measure_power
from .sampling import PhoneSample, parse_samples, sampler_argv
from .windows import Window, WindowPlan, parse_windows, plan_windows

__all__ = [
    "PhoneSample",
    "Window",
    "WindowPlan",
    "measure_power",
    "parse_samples",
    "parse_windows",
    "plan_windows",
    "power_log",
    "sampler_argv",
    "supply_refusal",
]
