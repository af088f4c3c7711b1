"""Known devices: what they are, what power they draw and what their latency is predicted from.

A device is one TOML file: `devices/*.toml` of this package, and the user's own beside them. Every
value names its source; one marked "guess" was not confirmed there, and is shown as a guess
wherever it appears.
"""

from .known_devices import (
    all_profiles,
    damaged_files,
    device_profile,
    folded_id,
    near_ids,
    recognise,
)
from .own_files import device_file, folder_fault, user_folder, with_latency
from .parsing import parse_profile
from .power_models import profile_power
from .profile import Cluster, DeviceProfile, Fact
from .recognition import is_machine, recognised

__all__ = [
    "Cluster",
    "DeviceProfile",
    "Fact",
    "all_profiles",
    "damaged_files",
    "device_file",
    "device_profile",
    "folded_id",
    "folder_fault",
    "is_machine",
    "near_ids",
    "parse_profile",
    "profile_power",
    "recognise",
    "recognised",
    "user_folder",
    "with_latency",
]
