"""Tests of Android: the harness, the archives, and a fake phone that the real adb talks to."""
