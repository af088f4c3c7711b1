"""Fixtures of the Android tests: fake phones that the real adb talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, skip_or_fail

from .fake_device.adb_server import AdbServer, adb_server
from .fake_device.desktop import desktop_libraries
from .fake_device.phone import FakePhone, missing
from .fake_device.phone import fake_phone as make_phone

CACHE = ROOT / ".cache" / "android" / "converted-dex"


@pytest.fixture(scope="session")
def private_adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """A server of the real adb for this worker alone, with no phone on it."""
    reason = missing()
    if reason:
        skip_or_fail("android", reason)
    with adb_server(tmp_path_factory.mktemp("adb-home")) as server:
        yield server


@pytest.fixture(scope="session")
def desktop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return desktop_libraries(tmp_path_factory.mktemp("desktop"))


@pytest.fixture
def make_fake_phone(
    private_adb: AdbServer, desktop_folder: Path
) -> Iterator[Callable[..., FakePhone]]:
    """A function that plugs in one more phone; see `fake_device.phone.fake_phone`."""
    with ExitStack() as stack:

        def make(**options: Any) -> FakePhone:
            phone: AbstractContextManager[FakePhone] = make_phone(
                private_adb, cache=CACHE, desktop=desktop_folder, **options
            )
            return stack.enter_context(phone)

        yield make


@pytest.fixture
def fake_phone(make_fake_phone: Callable[..., FakePhone]) -> FakePhone:
    """A healthy phone of Google's, Android 14, the only one on the private server."""
    return make_fake_phone()


@pytest.fixture
def two_phones(make_fake_phone: Callable[..., FakePhone]) -> tuple[FakePhone, FakePhone]:
    """Two phones on one server."""
    return make_fake_phone(), make_fake_phone(maker="samsung")
