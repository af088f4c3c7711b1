"""Front ends, recipes, calibration, quantization and proofs."""
