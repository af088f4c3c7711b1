"""What networks are called: the same name however it is written, near names, and families."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Words that sizes and variants of one family of networks are called by.
_SIZES = re.compile(r"(?i)[\s_-]*(mobile|large|small|tiny|mini|lite\d*x?|quant\w*)$")
# How alike, from 0 to 1, two names are that one may have been meant for the other.
_NEAR = 0.8
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def family_of(model: str) -> str:
    """The family of a network by its name: without its sizes, in small letters.

    The packaged table's own families are used for the names that it has.
    """
    name = model.split("@", maxsplit=1)[0]
    if match := re.match(r"(?i)(mobilenet)[\s_-]*(v\d|edgetpu)", name):
        return f"{match[1]}{match[2]}".lower()
    name = re.split(r"(?i)[\s_-]*v?\d", name)[0] or name
    while _SIZES.search(name):
        name = _SIZES.sub("", name)
    return re.sub(r"[\s_-]+", "-", name).strip("-").lower() or model


def plain_name(name: str) -> str:
    """A name in small letters, without `.tflite` and the marks between its words."""
    return re.sub(r"[\s_/()-]+", "", re.sub(r"(?i)\.tflite$", "", name.strip())).lower()


def near_name(name: str, names: Iterable[str]) -> str:
    """That of `names` which is written most like a name, by their plain names; "" if none is.

    One with other numbers in it is another network, not another way to write this one.
    """
    plainly = {plain_name(other): other for other in names if _same_numbers(name, other)}
    near = difflib.get_close_matches(plain_name(name), plainly, n=1, cutoff=_NEAR)
    return plainly[near[0]] if near else ""


def _same_numbers(one: str, other: str) -> bool:
    """Whether two names have the same numbers, but for some at the end of the longer."""
    numbers = [_NUMBER.findall(name) for name in (one, other)]
    return all(left == right for left, right in zip(*numbers, strict=False))
