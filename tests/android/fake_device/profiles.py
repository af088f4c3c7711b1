"""What the fake phones say they are. Names of makers choose the form of `dumpsys` texts only."""

from __future__ import annotations

from typing import Literal

Maker = Literal["google", "samsung", "xiaomi"]

_MODELS: dict[Maker, tuple[str, str, str, str]] = {
    "google": ("Google", "Pixel 8", "shiba", "Tensor G3"),
    "samsung": ("samsung", "SM-S911B", "dm1q", "SM8550"),
    "xiaomi": ("Xiaomi", "2211133G", "fuxi", "SM8550"),
}


def properties(maker: Maker = "google", api_level: int = 34) -> dict[str, str]:
    """The system properties of a phone; `ro.boot.qemu` says that it is none."""
    name, model, device, chip = _MODELS[maker]
    release = {23: "6.0.1", 24: "7.0", 26: "8.0.0", 28: "9", 29: "10", 30: "11", 31: "12"}
    version = release.get(api_level, str(api_level - 20))
    return {
        "ro.boot.qemu": "1",
        "ro.build.version.sdk": str(api_level),
        "ro.build.version.release": version,
        "ro.build.fingerprint": f"{name}/{device}/{device}:{version}/FAKE/1:user/release-keys",
        "ro.build.type": "user",
        "ro.product.manufacturer": name,
        "ro.product.brand": name.lower(),
        "ro.product.model": model,
        "ro.product.device": device,
        "ro.product.name": device,
        "ro.product.cpu.abi": "x86_64",
        "ro.product.cpu.abilist": "x86_64,x86",
        "ro.product.cpu.abilist64": "x86_64",
        "ro.product.cpu.abilist32": "x86",
        "ro.soc.manufacturer": name,
        "ro.soc.model": chip,
        "ro.hardware": device,
        "ro.serialno": "FAKE0123456789",
        "sys.boot_completed": "1",
    }
