"""Which known device a measured machine is, by what the machine says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .known_devices import all_profiles, is_packaged, recognise
from .profile import DeviceProfile

# Kernels and firmware keep some of the memory to themselves, and not always as much.
_RAM_TOLERANCE = 0.05


def recognised(machine: Mapping[str, Any]) -> DeviceProfile | None:
    """The profile of a machine: a board by its device tree, a phone by its name; None otherwise.

    `machine` is the "device" of a measurement. An emulated phone is none, whatever it is called;
    an emulated board stands for the one whose device tree it has.
    """
    if machine.get("model") is None:
        return recognise(machine.get("board"))
    if machine.get("emulated"):
        return None
    names = _phone_names(machine)
    return next((one for one in all_profiles().values() if one.name.lower() in names), None)


def is_machine(profile: DeviceProfile, machine: Mapping[str, Any]) -> bool:
    """Whether a measured machine is of the kind that a profile describes, whatever its id.

    A board is, by its device tree, unless a packaged device has a longer part of that; a phone by
    its name. A machine that has neither is a computer that the user calibrated where processor,
    number of cores and, within 5%, memory are those of the file. Machines that are alike in all of
    these are one device. An emulated one is none.
    """
    if machine.get("emulated"):
        return False
    if machine.get("model") is not None:
        return profile.kind == "phone" and profile.name.lower() in _phone_names(machine)
    board = machine.get("board")
    if board or profile.device_tree:
        return bool(board) and _names_board(profile, str(board))
    if is_packaged(profile.id) or profile.kind == "phone":
        return False
    cpu = machine.get("cpu_model")
    return (
        bool(cpu)
        and (profile.soc, profile.cores) == (cpu, machine.get("cores"))
        and _has_memory(profile, machine.get("ram_bytes"))
    )


def _phone_names(machine: Mapping[str, Any]) -> tuple[str, str]:
    model = str(machine["model"]).lower()
    return model, f"{str(machine.get('manufacturer')).lower()} {model}"


def _names_board(profile: DeviceProfile, board: str) -> bool:
    rivals = [
        len(other.device_tree)
        for other in all_profiles().values()
        if other.device_tree and is_packaged(other.id) and board.startswith(other.device_tree)
    ]
    own = profile.device_tree
    return bool(own) and board.startswith(own) and len(own) >= max(rivals, default=0)


def _has_memory(profile: DeviceProfile, ram_bytes: object) -> bool:
    known = profile.ram_bytes()
    if known is None or not isinstance(ram_bytes, int | float):
        return True
    return known[0] * (1 - _RAM_TOLERANCE) <= ram_bytes <= known[1] * (1 + _RAM_TOLERANCE)
