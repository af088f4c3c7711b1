"""All devices: those of this package and the user's, found by id, by a name that is near, or by
what a board calls itself.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deploy_runner.errors import BadInputError, UsageError

from .latency_entries import LatencyEntries
from .own_files import FOLDER_VARIABLE, folder_fault, read_text, user_folder
from .parsing import parse_profile
from .profile import DeviceProfile

if TYPE_CHECKING:
    from edge_deploy.prediction.latency.model import LatencyModel


@dataclass(frozen=True)
class _Found:
    profiles: Mapping[str, DeviceProfile]
    damaged: Mapping[str, BadInputError]


def all_profiles() -> dict[str, DeviceProfile]:
    """Every known device by id, in alphabetical order; the user's files add to the package's.

    A damaged file of the user costs that device alone: see `damaged_files`.
    """
    return dict(_all().profiles)


def damaged_files() -> dict[str, BadInputError]:
    """What is wrong with each of the user's device files that cannot be used, by its id.

    Where their folder cannot be read, that is its path instead.
    """
    return dict(_all().damaged)


def device_profile(device_id: str) -> DeviceProfile:
    """The profile `device_id`, which may be in capitals, with spaces or underscores for hyphens.

    Raises `UsageError` with near names for an unknown one, and `BadInputError` where the user's
    file of that id is damaged.
    """
    found = _all()
    name = device_id if device_id in found.damaged else folded_id(device_id)
    if name in found.damaged:
        raise found.damaged[name]
    if name in found.profiles:
        return found.profiles[name]
    near = near_ids(device_id, found.profiles)
    hint = f"did you mean {' or '.join(near)}? " if near else _stand_in(found.profiles)
    fault = f" ({told})" if (told := folder_fault()) else ""
    raise UsageError(
        f"unknown device {device_id!r}{fault}; {hint}`edge-deploy devices list` has all"
    )


def folded_id(spoken: str) -> str:
    """An id as it may be typed: `Raspberry_Pi_5` and "pixel 4" for raspberry-pi-5 and pixel-4."""
    return re.sub(r"[\s_]+", "-", spoken.strip().lower())


def _stand_in(profiles: Mapping[str, DeviceProfile]) -> str:
    phones = [name for name in profiles if name.startswith("android-")]
    return f"for a phone that is not known take {' or '.join(phones)}; " if phones else ""


def is_packaged(device_id: str) -> bool:
    """Whether this package has a device of that id, whatever the user's own file says of it."""
    return device_id in _packaged_texts()


def recognise(board: str | None) -> DeviceProfile | None:
    """The profile of the board that a device tree names; None for an unknown one."""
    matches = [
        profile
        for profile in all_profiles().values()
        if board and profile.device_tree and board.startswith(profile.device_tree)
    ]
    return max(matches, key=lambda profile: len(profile.device_tree), default=None)


def near_ids(spoken: str, profiles: Mapping[str, DeviceProfile]) -> list[str]:
    """Up to three ids that someone who wrote `spoken` may have meant, the nearest first."""
    wanted = _as_id(spoken)
    if not wanted:
        return []

    def likeness(device_id: str) -> float:
        names = (device_id, _as_id(profiles[device_id].name))
        best = max(difflib.SequenceMatcher(None, wanted, name).ratio() for name in names)
        # A longer name of the same device, or of its family: pixel-4-xl, raspberry-pi-4.
        own, theirs = set(wanted.split("-")), set(device_id.split("-"))
        related = own >= theirs or theirs >= own or device_id.startswith(wanted)
        return best + 0.3 * related + _same_model(own, theirs)

    likely = {device_id: likeness(device_id) for device_id in profiles}
    ranked = sorted(profiles, key=lambda device_id: (-likely[device_id], device_id))
    floor = max(0.7, likely[ranked[0]] - 0.25) if ranked else 0.0
    return [device_id for device_id in ranked[:3] if likely[device_id] >= floor]


def _same_model(own: set[str], theirs: set[str]) -> float:
    """How much the models' numbers speak for two names being one: 4 and 4b do, 4 and 5 do not."""

    def numbers(words: set[str]) -> list[int]:
        return [int(match[1]) for word in words if (match := re.match(r"(?:cm)?(\d+)", word))]

    apart = [abs(one - other) for one in numbers(own) for other in numbers(theirs)]
    if not apart:
        return 0.0
    return 0.2 if min(apart) == 0 else -0.1 - 0.01 * min(*apart, 9)


# What owners call a Raspberry Pi: rpi4, Pi 5, raspi-zero-2w, raspberrypi3b+, CM4.
_PI = re.compile(r"^(raspberry-?pi|raspi|rpi|pi)-?(?=\d|zero|cm|compute|model|$)")


def _as_id(spoken: str) -> str:
    """A spoken name as an id would have it: "Pixel4 XL" as pixel-4-xl, "Pi 3B+" as an id's."""
    name = spoken.lower().strip().replace("+", "-plus")
    name = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    name = re.sub(r"(?<=[a-z])(?=\d)", "-", name)
    name = re.sub(r"-model-(?=[ab])|(?<=\d)-(?=[ab](-|$))", "", name)
    name = re.sub(r"^google-", "", name)
    name = _PI.sub("raspberry-pi-", name)
    name = re.sub(r"compute-module-?", "cm", re.sub(r"\bcm-(?=\d)", "cm", name))
    name = re.sub(r"^cm(?=\d)", "raspberry-pi-cm", name)
    return re.sub(r"(?<=zero-2)(?=w\b)", "-", name).strip("-")


def _all() -> _Found:
    folder = user_folder()
    marks: tuple[tuple[Path, int, int], ...] = ()
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
        marks = tuple((path, *_mark(path)) for path in files)
    except FileNotFoundError:
        pass
    except OSError as error:
        fault = BadInputError(
            f"the folder of your device files, {folder}, cannot be read: {error.strerror}; "
            f"{FOLDER_VARIABLE} names another"
        )
        return _Found(_packaged(), {str(folder): fault})
    return _read(marks)


def _mark(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4)
def _read(own: tuple[tuple[Path, int, int], ...]) -> _Found:
    texts = _packaged_texts()
    profiles, damaged = dict(_packaged()), {}
    for path, _, _ in own:
        device_id = path.stem
        try:
            profile = parse_profile(read_text(path), device_id, str(path), texts.get(device_id, ""))
            profiles[device_id] = profile
        except BadInputError as error:
            damaged[device_id] = error
    faults = {
        name: _fault_of_like(profile, profiles, damaged)
        for name, profile in profiles.items()
        if profile.origin != "package"
    }
    for device_id, fault in faults.items():
        if fault:
            origin = profiles.pop(device_id).origin
            damaged[device_id] = BadInputError(f"the device file {origin}: {fault}")
            if device_id in texts:
                profiles[device_id] = _packaged()[device_id]
    found = dict(sorted(profiles.items()))
    for device_id, profile in list(found.items()):
        if profile.origin != "package" and profile.like:
            entries = LatencyEntries(partial(_own_or_lent, profile, found))
            found[device_id] = replace(profile, latency=entries)
    return _Found(found, damaged)


def _own_or_lent(
    profile: DeviceProfile, profiles: Mapping[str, DeviceProfile]
) -> tuple[LatencyModel, ...]:
    """A device's latency entries, or where it has none those of its sibling, scaled by clock."""
    own = tuple(profile.latency)
    if own:
        return own
    from edge_deploy.prediction.latency.scaling import scaled_models

    sibling = profiles[profile.like]
    return scaled_models(sibling.latency, sibling, profile)


def _fault_of_like(
    profile: DeviceProfile, profiles: Mapping[str, DeviceProfile], damaged: Mapping[str, object]
) -> str:
    """What is wrong with the sibling that a profile names, or with that one's; "" if nothing is."""
    seen = [profile.id]
    like = profile.like
    while like:
        whose = "" if len(seen) == 1 else f"it is like {' which is like '.join(seen[1:])}, whose "
        if like in seen:
            way = " is like ".join([*seen[seen.index(like) :], like])
            circle = f"like leads in a circle: {way}; leave it out of one of them"
            return circle if like == profile.id else whose + circle
        if like not in profiles and like in damaged:
            return f"{whose}like names {like}, whose own file is damaged; mend that first"
        if like not in profiles:
            others = {name: other for name, other in profiles.items() if name not in seen}
            near = near_ids(like, others)
            hint = f"did you mean {near[0]}? " if near else ""
            return (
                f"{whose}like names the unknown device {like!r}; {hint}`edge-deploy devices list` "
                "has all"
            )
        seen.append(like)
        like = profiles[like].like
    return ""


@lru_cache(maxsize=1)
def _packaged_texts() -> dict[str, str]:
    folder = resources.files("edge_deploy") / "devices"
    return {
        entry.name.removesuffix(".toml"): entry.read_bytes().decode()
        for entry in sorted(folder.iterdir(), key=lambda item: item.name)
        if entry.name.endswith(".toml")
    }


@lru_cache(maxsize=1)
def _packaged() -> dict[str, DeviceProfile]:
    return {name: parse_profile(text, name) for name, text in _packaged_texts().items()}
