"""Bundles: a model, its runner and their packages in one archive, and its way to a device."""
