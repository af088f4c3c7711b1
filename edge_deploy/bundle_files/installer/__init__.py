"""The installer that travels in a bundle: the standard library of Python 3.9 or later alone."""
