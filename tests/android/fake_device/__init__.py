"""A fake phone for the unmodified adb: a root of mksh and toybox, and a JVM for its dex.

All that it measures is simulated; tests/android/README.md says what is real and what is not.
"""
