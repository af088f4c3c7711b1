"""What adb and a phone's own programs print, as values: pure functions over text.

Every parser takes lines that end in CR LF or even CR CR LF, as old phones and adb on Windows do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST_VERSION = (1, 0, 41)


@dataclass(frozen=True)
class ListedDevice:
    """One line of `adb devices -l`; `state` is "device" for one that can be used."""

    serial: str
    state: str
    details: dict[str, str]

    def words(self) -> str:
        """`SERIAL (Pixel 4)`, with the state where it is not usable."""
        model = self.details.get("model", "").replace("_", " ")
        notes = ", ".join(
            note for note in (model, "" if self.state == "device" else self.state) if note
        )
        return f"{self.serial} ({notes})" if notes else self.serial


def lines_of(text: str) -> list[str]:
    """The lines without their ends, whatever these are."""
    return [line.rstrip("\r") for line in text.replace("\r\n", "\n").split("\n")]


def parse_version(text: str) -> tuple[int, ...] | None:
    """(1, 0, 41) from what `adb version` prints; None where it prints something else."""
    match = re.search(r"Android Debug Bridge version (\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def parse_devices(text: str) -> tuple[ListedDevice, ...]:
    """The devices in what `adb devices -l` prints; the daemon's own lines are left out."""
    found = []
    for line in lines_of(text):
        if not line.strip() or line.startswith(("*", "List of devices", "adb server", "adb:")):
            continue
        # Tabs stand in the short list, spaces fill up in the long one; a serial may hold single
        # spaces, as mDNS names do.
        match = re.match(
            r"(?P<serial>\S.*?)(?:\t+|\s+)(?P<state>device|offline|unauthorized|authorizing|"
            r"connecting|bootloader|recovery|rescue|sideload|host|detached|unknown|"
            r"no permissions?)\b(?P<rest>.*)$",
            line,
        )
        if match is None:
            continue
        pairs = re.findall(r"(?:^|\s)(\w+):(\S+)", match["rest"])
        state = "no permissions" if match["state"].startswith("no perm") else match["state"]
        found.append(ListedDevice(match["serial"], state, dict(pairs)))
    return tuple(found)


def parse_properties(text: str) -> dict[str, str]:
    """The properties that `getprop` prints as `[key]: [value]`; a value may have several lines."""
    found: dict[str, str] = {}
    key: str | None = None
    value = ""
    for line in lines_of(text):
        if key is None:
            match = re.match(r"\[([^\]]+)\]: \[(.*)$", line)
            if match is None:
                continue
            key, value = match[1], match[2]
        else:
            value += f"\n{line}"
        if value.endswith("]"):
            found[key] = value[:-1]
            key = None
    return found


def parse_sections(text: str, marker: str) -> dict[str, str]:
    """Texts by their names, where each begins with a line of its own: the marker and a name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines_of(text):
        if line.startswith(f"{marker} "):
            name = line[len(marker) + 1 :].strip()
            found[name] = []
        elif name:
            found[name].append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in found.items()}


def parse_sha256sums(text: str) -> dict[str, str]:
    """Digests by file name, from what sha256sum prints; other lines are left out."""
    found = {}
    for line in lines_of(text):
        match = re.match(r"([0-9a-f]{64})[ ][ *]?(.+)$", line.strip())
        if match:
            found[match[2].strip()] = match[1]
    return found


def parse_instrumentation(text: str) -> tuple[dict[str, str], int | None]:
    """The results of `am instrument -w`, and its code (-1 is success); None where it broke off."""
    results: dict[str, str] = {}
    code = None
    key = ""
    for line in lines_of(text):
        if match := re.match(r"INSTRUMENTATION_RESULT: ([^=]+)=(.*)$", line):
            key = match[1]
            results[key] = match[2]
        elif match := re.match(r"INSTRUMENTATION_CODE: (-?\d+)\s*$", line):
            code, key = int(match[1]), ""
        elif match := re.match(r"INSTRUMENTATION_FAILED: (.*)$", line):
            results["failed"], key = match[1].strip(), ""
        elif line.startswith("INSTRUMENTATION_"):
            key = ""
        elif key:
            results[key] += f"\n{line}"
    return {name: value.strip() for name, value in results.items()}, code


def explain_state(device: ListedDevice) -> str:
    """One sentence for a listed phone that cannot be used."""
    serial = device.serial
    match device.state:
        case "unauthorized" | "authorizing":
            return (
                f"{serial} does not trust this computer yet; unlock the phone, accept the prompt "
                '"Allow USB debugging?" on it, and run the command again'
            )
        case "no permissions":
            return (
                f"this user may not open {serial}: Linux needs a udev rule for the phone; install "
                "one (Debian: sudo apt install android-sdk-platform-tools-common), join the group "
                "plugdev, and plug the phone in again"
            )
        case "offline" | "connecting" | "detached":
            return (
                f"{serial} is {device.state}: it is connected but does not answer; unplug it and "
                "plug it in again, or restart it"
            )
        case "bootloader" | "recovery" | "rescue" | "sideload":
            return f"{serial} is in {device.state} mode; start Android on it (adb reboot)"
        case state:
            return f"{serial} is in the state {state!r}; restart the phone and adb"


def explain_failure(stderr: str, serial: str, what: str) -> str:
    """One sentence for adb's own failure while doing something, from what it printed."""
    if re.search(r"unauthori[sz]ed", stderr):
        return explain_state(ListedDevice(serial, "unauthorized", {}))
    if "no permissions" in stderr or "insufficient permissions" in stderr:
        return explain_state(ListedDevice(serial, "no permissions", {}))
    if re.search(r"cannot connect to daemon|failed to check server version|cannot bind|"
                 r"failed to start daemon|could not read ok from ADB Server", stderr):  # fmt: skip
        return (
            f"adb cannot start its server while {what} ({last_words(stderr)}); run `adb "
            "kill-server` and try again"
        )
    if re.search(r"device offline", stderr):
        return (
            f"{serial} went offline while {what}; unplug it and plug it in again, then run the "
            "command again"
        )
    if not stderr.strip() or _LOST.search(stderr):
        said = last_words(stderr)
        why = f" ({said})" if said else ""
        return (
            f"the connection to {serial} was lost while {what}{why}; check its cable and run the "
            "command again"
        )
    return f"adb failed while {what} on {serial}: {last_words(stderr)}"


_LOST = re.compile(
    r"device ('.*' )?not found|no devices|unknown host|closed|protocol fault|EOF|read failed|"
    r"write failed|[Cc]onnection (reset|refused)|Broken pipe|couldn't read from device|unexpected"
)


def is_full_disk(text: str) -> bool:
    """Whether a program met the end of the phone's storage."""
    return bool(re.search(r"No space left|ENOSPC|[Qq]uota exceeded|File too large|"
                          r"INSUFFICIENT_STORAGE|not enough space", text))  # fmt: skip


def last_words(text: str) -> str:
    """The last line that says something: printable and short."""
    lines = [line for line in lines_of(text) if line.strip()]
    if not lines:
        return ""
    line = "".join(char if char.isprintable() else " " for char in lines[-1])
    return re.sub(r"^(adb: )?error: ", "", line.strip()).rstrip(".")[:200]
