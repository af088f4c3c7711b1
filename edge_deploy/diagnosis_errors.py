"""An error of ours as a finding: what is wrong, and what mends it."""

from __future__ import annotations

import re

_INNERMOST = re.compile(r"\([^()]*\)")


def finding_and_mend(sentence: str, otherwise: str) -> tuple[str, str]:
    """What failed, and what to do next, of an error's sentence, whose last part says that.

    A semicolon within parentheses parts nothing. `otherwise` is what to do where the sentence
    does not say.
    """
    outside, inner = sentence, 1
    while inner:
        outside, inner = _INNERMOST.subn(lambda found: "-" * len(found[0]), outside)
    at = outside.rfind("; ")
    return (sentence, otherwise) if at < 0 else (sentence[:at], sentence[at + 2 :])
