"""Fixtures of the Android tests: fake phones that the real adb talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
import small_models
from conftest import ROOT, skip_or_fail

from .fake_device.adb_server import AdbServer, adb_server
from .fake_device.desktop import desktop_libraries
from .fake_device.phone import FakePhone, missing
from .fake_device.phone import fake_phone as make_phone
from .hello_program import make_hello_jar
from .phone_runs import changes

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


@pytest.fixture(scope="module")
def hello_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A jar with the dex of a program that prints, may load a library, and ends with 3."""
    return make_hello_jar(tmp_path_factory.mktemp("hello"))


@pytest.fixture
def two_phones(make_fake_phone: Callable[..., FakePhone]) -> tuple[FakePhone, FakePhone]:
    """Two phones on one server."""
    return make_fake_phone(), make_fake_phone(maker="samsung")


@pytest.fixture
def no_phone_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No adb and no phone but those that the test chooses."""
    for name in ("EDGE_DEPLOY_ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def phone(
    no_phone_is_chosen: None, fake_phone: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakePhone]:
    """The chosen phone, which is left as it was found by whatever the test does."""
    for name, value in fake_phone.environment.items():
        monkeypatch.setenv(name, value)
    # Where the app leaves its answer; real phones have it.
    fake_phone.run("mkdir -p /data/media/0/Android/data /data/media/0/Android/media")
    before = fake_phone.snapshot()
    yield fake_phone
    assert fake_phone.wait_until_idle() == []
    assert changes(before, fake_phone.snapshot()) == {}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of four operators."""
    path = tmp_path_factory.mktemp("android-model") / "small one.tflite"
    path.write_bytes(small_models.float_model())
    return path
