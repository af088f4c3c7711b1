"""Every error a user can meet, each with the exit code that the command line returns for it.

The message of an error is one sentence for a stranger: what failed, on what, what to do next.
"""

from __future__ import annotations


class EdgeDeployError(Exception):
    """Base of all expected errors; `exit_code` is what the CLI returns."""

    exit_code = 70


class UsageError(EdgeDeployError):
    """An unknown option value, name or combination of options."""

    exit_code = 2


class BadInputError(EdgeDeployError):
    """A model, photo, data set, label file or budget is missing or cannot be read."""

    exit_code = 3


class DamagedModelError(BadInputError):
    """The bytes are not a readable TFLite model."""


class ConversionError(EdgeDeployError):
    """A conversion or its proof failed, or the extra that converts is not installed."""

    exit_code = 4


class DeviceError(EdgeDeployError):
    """A device cannot be reached, or the run on it failed."""

    exit_code = 5


class BundleError(EdgeDeployError):
    """A bundle is invalid or not trusted."""

    exit_code = 6


class OutputError(EdgeDeployError):
    """The output cannot be written: it exists, is read-only, or the disk is full."""

    exit_code = 7
