"""The installer that travels in a bundle: a package, so that its conftest hides no other."""
