"""Measuring on Android phones; nothing is built here yet."""
