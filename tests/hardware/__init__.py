"""Tests on hardware that is at hand: a phone, a board."""
