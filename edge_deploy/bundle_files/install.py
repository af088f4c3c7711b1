#!/usr/bin/env python3
"""Install this bundle: python3 install.py, or python3 install.py BUNDLE.tar.gz; see --help."""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - that of an older device
    sys.stderr.write(
        "Error: this bundle needs Python 3.9 or later, and this is {}.{}; it is for a newer "
        "system\n".format(*sys.version_info[:2])
    )
    sys.exit(5)
sys.dont_write_bytecode = True  # the unpacked bundle stays as its manifest says

from installer.command import main  # type: ignore[import-not-found]  # noqa: E402

sys.exit(main())
