"""What a phone says of itself: pure parsers of its words, and one look that calls them all."""

from .battery import Battery, parse_battery
from .caveats import phone_caveats
from .delegate_log import DelegateEvidence, DelegatePart, parse_delegate_log, refusal_of
from .looking import LOOK_ARGV, AndroidTelemetry, parse_look, read_telemetry
from .power_rails import PowerRails, parse_powerstats
from .processors import Clusters, Core, clusters, parse_cores, parse_memory
from .thermal import Sensor, Thermal, parse_thermal_service, parse_thermal_zones

__all__ = [
    "LOOK_ARGV",
    "AndroidTelemetry",
    "Battery",
    "Clusters",
    "Core",
    "DelegateEvidence",
    "DelegatePart",
    "PowerRails",
    "Sensor",
    "Thermal",
    "clusters",
    "parse_battery",
    "parse_cores",
    "parse_delegate_log",
    "parse_look",
    "parse_memory",
    "parse_powerstats",
    "parse_thermal_service",
    "parse_thermal_zones",
    "phone_caveats",
    "read_telemetry",
    "refusal_of",
]
