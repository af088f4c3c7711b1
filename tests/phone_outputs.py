"""Texts as phones print them; their folder says where their forms come from."""

from __future__ import annotations

from pathlib import Path

OUTPUTS = Path(__file__).parent / "unit" / "phone_outputs"


def said(name: str) -> str:
    """The text of that name."""
    return (OUTPUTS / f"{name}.txt").read_text()
