"""Latency models: coefficients of a device, fitted to measured points, with conformal intervals."""
