"""The steps of `build.py`: from sources and pinned packages to what a phone can run."""
