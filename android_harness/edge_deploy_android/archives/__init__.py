"""Archives of Android: read with every bound checked, written the same on every machine."""
