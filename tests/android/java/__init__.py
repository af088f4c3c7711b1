"""Java and C that only tests run."""
