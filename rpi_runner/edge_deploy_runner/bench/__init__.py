"""Measuring a model on this machine: the child that runs it, and what was measured."""
