"""What a Raspberry Pi's firmware says of itself: the only module that runs `vcgencmd`.

The parsers are pure functions over its answers; what they do not know is None. The formats are
published ones, none of which was seen on a board by us.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

# A firmware that hangs must not hang a measurement.
_LIMIT_S = 2.0
# One author's straight line from the sum of the rails to the power at the USB-C plug of one Pi 5.
PMIC_FACTOR, PMIC_OFFSET_W = 1.1451, 0.5879


@dataclass(frozen=True)
class Answer:
    """What the program printed; `error` says why there is no answer, "" where there is one."""

    text: str
    error: str = ""


def ask(*words: str) -> Answer | None:
    """Run `vcgencmd WORDS`; None where the program is not there. Never raises."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        ended = subprocess.run(
            [program, *words], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer("", f"it gave no answer within {_LIMIT_S:g} s")
    except OSError as error:
        return Answer("", str(error))
    text = ended.stdout.decode("utf-8", "replace").strip()
    words_of_error = ended.stderr.decode("utf-8", "replace").strip() or text
    if ended.returncode != 0 or "=" not in text or text.startswith("error="):
        return Answer("", words_of_error.splitlines()[0] if words_of_error else "it said nothing")
    return Answer(text)


def text_of(answer: Answer | None) -> str:
    """The text of an answer, "" where there is none."""
    return answer.text if answer else ""


def parse_throttled(text: str) -> int | None:
    """The bits in `throttled=0x50005`; None for anything else."""
    match = re.fullmatch(r"\s*throttled=0x([0-9a-fA-F]{1,8})\s*", text)
    return int(match.group(1), 16) if match else None


def parse_clock_mhz(text: str) -> float | None:
    """Megahertz in `frequency(48)=1500398464`; 0 means unknown to the firmware, and is None."""
    match = re.fullmatch(r"\s*frequency\(\d+\)=(\d+)\s*", text)
    return int(match.group(1)) / 1e6 if match and int(match.group(1)) else None


def parse_volts(text: str) -> float | None:
    """Volts in `volt=0.8563V`."""
    match = re.fullmatch(r"\s*volt=(\d+(?:\.\d+)?)V\s*", text)
    return float(match.group(1)) if match else None


@dataclass(frozen=True)
class Rail:
    """One supply rail of a Pi 5's power chip."""

    name: str
    volts: float
    amperes: float

    @property
    def watts(self) -> float:
        """Volts times amperes."""
        return self.volts * self.amperes


def parse_pmic(text: str) -> tuple[Rail, ...]:
    """The rails of `vcgencmd pmic_read_adc` that have both a current and a voltage, in its order.

    `VDD_CORE_A current(7)=1.42A` and `VDD_CORE_V volt(15)=0.90V` are one rail; inputs that have
    a voltage only (EXT5V, BATT) are left out.
    """
    found: dict[str, dict[str, float]] = {}
    for match in re.finditer(
        r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)([AV])\s*$",
        text,
        re.MULTILINE,
    ):
        name, kind, value, unit = match.groups()
        if kind == unit:
            found.setdefault(name, {})[kind] = float(value)
    return tuple(
        Rail(name, values["V"], values["A"]) for name, values in found.items() if len(values) == 2
    )


def rail_sum_w(rails: tuple[Rail, ...]) -> float:
    """Watts of all rails together: what the chip sees, less than the board draws."""
    return sum(rail.watts for rail in rails)


def estimated_board_w(rail_watts: float) -> float:
    """Watts at the plug by one author's fit: an estimate, to be shown with the sum of the rails."""
    return rail_watts * PMIC_FACTOR + PMIC_OFFSET_W
