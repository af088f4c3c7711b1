"""`python -m android.fake_device SETTINGS.json`."""

from .daemon import main

main()
