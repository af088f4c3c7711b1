"""A program for the JVM behind the fake phones' app_process, and a shell to start it in."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from . import toolchain
from .fake_device.phone import FakePhone

HELLO = """
package dev.edgedeploy.fake;

public final class Hello {
    private Hello() {}

    public static void main(String[] words) throws Exception {
        System.err.println("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.");
        System.out.println("ABI of " + String.join(",", words));
        if (words.length > 1) {
            System.load(words[1]);
            System.out.println("loaded");
        }
        Thread.sleep(Long.parseLong(words[0]));
        System.exit(3);
    }
}
"""


def make_hello_jar(folder: Path) -> Path:
    """A jar with the dex of a program that prints, may load a library, and ends with 3."""
    source = folder / "dev/edgedeploy/fake/Hello.java"
    source.parent.mkdir(parents=True)
    source.write_text(HELLO)
    classes = toolchain.javac([source], folder / "classes", [folder])
    toolchain.dexed([classes], folder)
    with zipfile.ZipFile(folder / "hello.jar", "w") as jar:
        jar.write(folder / "classes.dex", "classes.dex")
    return folder / "hello.jar"


def shell(phone: FakePhone, command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["adb", "-s", phone.serial, "shell", command],
        env=phone.environment,
        capture_output=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
