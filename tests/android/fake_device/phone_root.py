"""The throw-away root of a fake phone: its folders, mounts and tools. Made inside a namespace."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

from .sync_service import SHELL_USER

SYSTEM = Path(__file__).parent / "system"
LIBRARY = Path(__file__).parent / "lib"
# What Android 8.0 has in /system/bin, of what Debian's toybox has too: our scripts on the phone
# must do with these. Source: AOSP system/core/shell_and_utilities/README.md.
_TOOLS = """
acpi base64 basename blockdev bunzip2 bzcat cal cat chgrp chmod chown chroot chrt cksum clear cmp
comm cp cpio cut df dirname dmesg dos2unix du echo env expand fallocate false file find flock free
grep groups gunzip head hostname hwclock id ifconfig inotifyd insmod ionice iorenice kill killall
ln logname losetup ls lsmod lspci lsusb md5sum microcom mkdir mkfifo mknod mkswap mktemp modinfo
mount mountpoint mv netstat nice nl nohup od paste patch pgrep pidof pkill pmap printenv printf ps
pwd readlink realpath renice rm rmdir rmmod sed seq setsid sha1sum sha224sum sha256sum sha384sum
sha512sum sleep sort split stat strings swapoff swapon sync sysctl tac tail tar taskset tee time
timeout top touch true truncate tty ulimit umount uname uniq unix2dos uptime usleep uudecode
uuencode vmstat wc which whoami xargs xxd yes zcat
"""
_LOOKS = 50
_HOST_FILES = ["usr", "etc/ld.so.cache", "etc/alternatives"]
_DEVICES = ["null", "zero", "full", "random", "urandom"]


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["/usr/bin/mount", *map(str, arguments)], check=True)


def bind(source: Path, target: Path, *, read_only: bool = True) -> None:
    """Let a host file or folder appear inside the root."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount("--bind", source, target)
    if read_only:
        _mount("-o", "remount,bind,ro", target)


def build(folder: Path, data_bytes: int, java_home: Path, desktop: Path, cache: Path) -> Path:
    """Make the root, and return where it is in this namespace.

    Args:
        folder: An empty folder.
        data_bytes: How much fits into /data.
        java_home: The host's JDK or JRE.
        desktop: A folder with the desktop's builds of libraries that a phone loads.
        cache: A folder where converted dex files are kept between runs.
    """
    # A place that the shell user can reach, wherever the folder lies.
    root = Path("/mnt")
    _mount("--bind", folder, root)
    _folders(root)
    _tools(root)
    for name in _HOST_FILES:
        source = Path("/") / name
        if source.exists():
            bind(source, root / name)
    for configuration in Path("/etc").glob("java-*"):
        bind(configuration, root / "etc" / configuration.name)
    bind(java_home, root / "fake/java")
    bind(LIBRARY, root / "fake/lib")
    bind(desktop, root / "fake/desktop")
    bind(cache, root / "fake/cache", read_only=False)
    for device in _DEVICES:
        bind(Path("/dev") / device, root / "dev" / device, read_only=False)
    _mount("-t", "proc", "proc", root / "proc")
    _mount("-t", "tmpfs", "-o", f"size={data_bytes},mode=771", "tmpfs", root / "data")
    _data(root)
    _hardware(root / "sys")
    return root


def _folders(root: Path) -> None:
    root.chmod(0o755)
    for name in (
        "system/bin",
        "system/etc",
        "fake/bin",
        "dev",
        "proc",
        "sys",
        "data",
        "etc",
        "tmp",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "sdcard").symlink_to("storage/emulated/0")
    (root / "storage/emulated").mkdir(parents=True)
    (root / "storage/emulated/0").symlink_to("../../data/media/0")
    (root / "etc/passwd").write_text(
        "root:x:0:0::/:/system/bin/sh\nshell:x:2000:2000::/:/system/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nshell:x:2000:\ninput:x:1004:\nlog:x:1007:\n")


def _tools(root: Path) -> None:
    bin_ = root / "system/bin"
    shutil.copy2("/usr/bin/mksh", bin_ / "sh")
    shutil.copy2("/usr/bin/toybox", bin_ / "toybox")
    for tool in _TOOLS.split():
        (bin_ / tool).symlink_to("toybox")
    for script in SYSTEM.iterdir():
        if script.suffix in {".py", ".sh"}:
            names = ["pm", "cmd", "am"] if script.stem == "packages" else [script.stem]
            for name in names:
                (bin_ / name).unlink(missing_ok=True)
                shutil.copy(script, bin_ / name)
                (bin_ / name).chmod(0o755)


def _data(root: Path) -> None:
    for name, mode in (
        ("local", 0o751),
        ("local/tmp", 0o771),
        ("media", 0o770),
        ("media/0", 0o770),
        ("media/0/Android", 0o770),
        ("media/0/Android/data", 0o770),
        ("media/0/Android/media", 0o770),
        ("app", 0o771),
    ):
        folder = root / "data" / name
        folder.mkdir()
        folder.chmod(mode)
        if name.startswith(("local", "media", "app")):
            os.chown(folder, SHELL_USER, SHELL_USER)
    # State that scripts write is kept off /data, so that a full disk stays the phone's own affair.
    state = root / "fake/state"
    state.mkdir()
    _mount("-t", "tmpfs", "-o", "size=128m,mode=777", "tmpfs", state)
    _settings(state)
    _mount("-t", "tmpfs", "-o", "size=256m,mode=1777", "tmpfs", root / "tmp")


def _settings(state: Path) -> None:
    settings = {
        "global/stay_on_while_plugged_in": "0",
        "global/low_power": "0",
        "global/airplane_mode_on": "0",
        "system/screen_brightness": "120",
        "system/screen_brightness_mode": "1",
        "system/screen_off_timeout": "60000",
    }
    for name, value in settings.items():
        file = state / "settings" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
        file.chmod(0o666)
    (state / "kept").mkdir()
    (state / "kept/wakefulness").write_text("Awake\n")
    (state / "kept/wakefulness").chmod(0o666)
    for folder in (state / "settings", *(state / "settings").iterdir(), state / "kept"):
        folder.chmod(0o777)


def _hardware(sys: Path) -> None:
    """cpufreq, thermal and power_supply as plain files; the upper half of the cores is big."""
    cores = os.cpu_count() or 1
    for core in range(cores):
        big = core >= cores // 2
        top = 2_914_000 if big else 1_704_000
        files = {
            "cpufreq/cpuinfo_max_freq": top,
            "cpufreq/cpuinfo_min_freq": 324_000,
            "cpufreq/scaling_max_freq": top,
            "cpufreq/scaling_min_freq": 324_000,
            "cpufreq/scaling_cur_freq": top,
            "cpufreq/scaling_governor": "sched_pixel",
            "cpufreq/scaling_available_governors": "sched_pixel performance powersave",
            "cpu_capacity": 1024 if big else 250,
            "online": 1,
        }
        _files(sys / f"devices/system/cpu/cpu{core}", files)
        cluster = [n for n in range(cores) if (n >= cores // 2) == big]
        related = " ".join(map(str, cluster))
        _files(
            sys / f"devices/system/cpu/cpu{core}/cpufreq",
            {"related_cpus": related, "affected_cpus": related},
        )
    everyone = "0" if cores == 1 else f"0-{cores - 1}"
    _files(
        sys / "devices/system/cpu", {"present": everyone, "online": everyone, "possible": everyone}
    )
    for number, (kind, value) in enumerate(
        (("BIG", 41_000), ("LITTLE", 39_000), ("battery", 29_500))
    ):
        zone: dict[str, int | str] = {"type": kind, "temp": value}
        _files(sys / f"class/thermal/thermal_zone{number}", zone)
    _files(
        sys / "class/power_supply/battery",
        {
            "status": "Discharging",
            "capacity": 80,
            "voltage_now": 3_850_000,
            "current_now": -300_000,
            "charge_counter": 3_600_000,
            "temp": 295,
        },
    )


def _files(folder: Path, files: dict[str, int | str]) -> None:
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def snapshot(root: Path) -> dict[str, str]:
    """Every file and folder that programs on the phone can change: kind, mode, size, sha256."""
    for _ in range(_LOOKS):
        # What runs there may remove a file between its name and its content: look at all again.
        with contextlib.suppress(FileNotFoundError):
            return _snapshot(root)
        time.sleep(0.05)
    return _snapshot(root)


def _snapshot(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for top in ("data", "fake/state/settings", "fake/state/kept"):
        for path in sorted((root / top).rglob("*")):
            status = path.lstat()
            name = "/" + str(path.relative_to(root))
            if stat.S_ISREG(status.st_mode):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[name] = f"file {stat.S_IMODE(status.st_mode):o} {status.st_size} {digest}"
            elif stat.S_ISLNK(status.st_mode):
                found[name] = f"link {path.readlink()}"
            else:
                found[name] = f"folder {stat.S_IMODE(status.st_mode):o}"
    return found
