"""Findings about a machine, each with the line that mends it."""
