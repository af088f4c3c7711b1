"""What a build step raises: one sentence for a stranger."""

from __future__ import annotations


class BuildError(Exception):
    """A build cannot go on: what failed, on what, what to do next."""


class MissingToolError(BuildError):
    """A program that the build runs is not installed."""
