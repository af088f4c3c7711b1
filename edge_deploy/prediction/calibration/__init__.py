"""Calibrating a device at hand: micro-models, their times, coefficients, the device file."""
