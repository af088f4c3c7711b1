"""The bundles that the installer's tests install."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bundle import (
    small_bundle,
    small_site,
    unpacked,
)

from edge_deploy.bundles.bundling import Bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle for this machine."""
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def folder(made: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, unpacked."""
    return unpacked(made, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another version of it, unpacked."""
    where = tmp_path_factory.mktemp("newer")
    return unpacked(small_bundle(where, site=small_site(where, 200_000)), where / "unpacked")
