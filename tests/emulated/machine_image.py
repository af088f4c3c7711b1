"""The disk, the kernel and the keys of the emulated Raspberry Pi, made from Debian's archive.

Nothing is mounted and no package script runs: mmdebstrap unpacks, this file writes the few lines of
configuration that the scripts would have written, and mke2fs makes a file system of the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .rootfs import MissingError, cached, host_mirror, require_programs

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "sudo", "passwd", "login"),
    *("openssh-server", "iproute2", "kmod", "util-linux", "mount", "procps", "e2fsprogs"),
    # Essential, so that nothing depends on them.
    *("base-files", "dash", "debianutils", "diffutils", "libc-bin", "ncurses-base"),
    *("bash", "coreutils", "tar", "gzip", "sed", "grep", "findutils", "hostname", "busybox-static"),
    *("python3", "libpython3-stdlib", "mawk", "libgomp1", "libstdc++6", "strace"),
    "linux-image-arm64",
)
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
DISK_SIZE = "640M"
ADDRESS = "10.0.2.15/24"
GATEWAY = "10.0.2.2"  # of QEMU's user network, which leads nowhere with restrict=on

# What the first seconds need, and what the camera tests load by hand.
BOOT_MODULES = ("virtio_pci", "virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net")
CAMERA_MODULES = ("vivid",)

INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod /modules/$module; done < /modules/order
/bin/busybox ip link set lo up
/bin/busybox ip addr add {address} dev eth0
/bin/busybox ip link set eth0 up
/bin/busybox ip route add default via {gateway}
waited=0
until /bin/busybox mount -t ext4 /dev/vda /root || [ $waited = 20 ]; do
    waited=$((waited + 1)); /bin/busybox sleep 0.2
done
/bin/busybox mount --move /dev /root/dev
/bin/busybox umount /proc
/bin/busybox umount /sys
exec /bin/busybox switch_root /root /sbin/init
"""

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
messagebus:x:102:102::/nonexistent:/usr/sbin/nologin
pi:x:1000:1000:the Pi's first user:/home/pi:/bin/bash
"""
GROUPS = {
    **{"root": 0, "daemon": 1, "tty": 5, "disk": 6, "kmem": 15, "dialout": 20, "audio": 29},
    **{"adm": 4, "lp": 7, "cdrom": 24, "tape": 26, "utmp": 43, "input": 104, "sgx": 105},
    **{"kvm": 106, "render": 107, "nogroup": 65534, "systemd-journal": 101, "messagebus": 102},
}
SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
UseDNS no
Subsystem sftp /usr/lib/openssh/sftp-server
"""
PAM = {
    "common-auth": "auth required pam_permit.so\n",
    "common-account": "account required pam_permit.so\n",
    "common-password": "password required pam_permit.so\n",
    "common-session": "session required pam_permit.so\nsession optional pam_systemd.so\n",
    "common-session-noninteractive": "session required pam_permit.so\n",
}
# No hardware asks for these, and emulation makes them slow.
MASKED = (
    *("systemd-timesyncd.service", "getty.target", "systemd-random-seed.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-pstore.service"),
    *("systemd-journal-flush.service", "systemd-update-utmp.service", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "systemd-hwdb-update.service", "systemd-firstboot.service"),
    *("systemd-sysusers.service", "systemd-binfmt.service", "ldconfig.service"),
    *("systemd-journal-catalog-update.service", "systemd-update-done.service"),
)


@dataclass(frozen=True)
class MachineImage:
    """What a machine boots from, and the keys that it and its users hold."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.cpio"

    @property
    def disk(self) -> Path:
        """A raw ext4 file system; boot overlays of it, never itself."""
        return self.folder / "disk.img"

    @property
    def user_key(self) -> Path:
        return self.folder / "user_key"

    @property
    def host_key(self) -> str:
        return (self.folder / "host_key.pub").read_text().strip()


def machine_image() -> MachineImage:
    """The image, made once per machine; raises `MissingError` where that cannot be."""
    require_programs(
        mmdebstrap="mmdebstrap",
        mke2fs="e2fsprogs",
        qemu_system_aarch64="qemu-system-arm",
        qemu_img="qemu-utils",
        ssh="openssh-client",
        ssh_keygen="openssh-client",
    )
    if os.geteuid() != 0:
        raise MissingError("the emulated machine's disk holds root's files, and only root makes it")
    return MachineImage(cached("machine", Path(__file__).read_text("utf-8"), _build))


def _build(folder: Path) -> None:
    root = folder / "root"
    _unpack(root)
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
    modules = _keep_modules(root)
    _key(folder / "user_key")
    _key(folder / "host_key")
    _configure(root, folder)
    (folder / "initrd.cpio").write_bytes(_initrd(root, modules))
    shutil.rmtree(root / "boot")
    disk = folder / "disk.img"
    _check(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk), DISK_SIZE])
    shutil.rmtree(root)


def _check(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise MissingError(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")


def _unpack(root: Path) -> None:
    merge = (
        'mkdir -p "$1/usr"; for d in bin sbin lib; do mkdir "$1/usr/$d"; ln -s usr/$d "$1/$d"; done'
    )
    exclude = [f"--dpkgopt=path-exclude={path}" for path in UNWANTED]
    mirror = host_mirror()
    _check(
        [
            *("mmdebstrap", "--quiet", "--variant=extract", "--arch=arm64", *exclude),
            *(f"--setup-hook={merge}", f"--include={','.join(PACKAGES)}", SUITE, str(root)),
            *([f"deb {mirror} {SUITE} main"] if mirror else []),
        ]
    )


def _key(path: Path) -> None:
    _check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "throw-away", "-f", str(path)])


def _needs(module: Path) -> list[str]:
    """The modules that a .ko names in its `depends=` line."""
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def _in_order(wanted: Iterable[str], files: dict[str, Path]) -> list[Path]:
    """The files to load for these modules, each after what it needs; built-in ones are left out."""
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        for needed in _needs(path):
            add(needed)
        if path not in order:
            order.append(path)

    for name in wanted:
        add(name)
    return order


def _keep_modules(root: Path) -> list[Path]:
    """Leave the camera's modules in the image, in /camera; return those that booting takes."""
    folder = next((root / "lib" / "modules").iterdir())
    files = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    boot = [Path(shutil.copy(path, root.parent)) for path in _in_order(BOOT_MODULES, files)]
    camera = _in_order(CAMERA_MODULES, files)
    kept = root / "camera"
    kept.mkdir()
    for path in camera:
        shutil.copy(path, kept)
    (kept / "order").write_text("".join(f"{path.name}\n" for path in camera))
    shutil.rmtree(folder)
    return boot


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _configure(root: Path, folder: Path) -> None:
    etc = root / "etc"
    _write(etc / "passwd", PASSWD)
    _write(
        etc / "shadow",
        "".join(f"{line.split(':')[0]}:*:::::::\n" for line in PASSWD.splitlines()),
        0o600,
    )
    groups = {**GROUPS, "pi": 1000, "video": 44, "sudo": 27}
    _write(
        etc / "group",
        "".join(
            f"{name}:x:{number}:{'pi' if name in ('video', 'sudo') else ''}\n"
            for name, number in groups.items()
        ),
    )
    _write(etc / "nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    for name, program in (("awk", "mawk"), ("sh", "dash")):
        link = root / "usr" / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    _write(etc / "hostname", "emulated-pi\n")
    _write(etc / "hosts", "127.0.0.1 localhost\n127.0.1.1 emulated-pi\n")
    _write(etc / "resolv.conf", "nameserver 10.0.2.3\noptions timeout:1 attempts:1\n")
    _write(etc / "fstab", "")
    _write(etc / "machine-id", "0123456789abcdef0123456789abcdef\n")
    _write(etc / "environment", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\n")
    _write(etc / "sudoers.d" / "pi", "pi ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    _write(etc / "ssh" / "sshd_config", SSHD)
    for name, text in PAM.items():
        _write(etc / "pam.d" / name, text)
    _write(etc / "systemd/journald.conf.d/volatile.conf", "[Journal]\nStorage=volatile\n")
    units = etc / "systemd" / "system"
    units.mkdir(parents=True, exist_ok=True)
    for name in MASKED:
        (units / name).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    shutil.copy(folder / "host_key", etc / "ssh" / "ssh_host_ed25519_key")
    (etc / "ssh" / "ssh_host_ed25519_key").chmod(0o600)
    public = (folder / "user_key.pub").read_text()
    for home, number in ((root / "root", 0), (root / "home" / "pi", 1000)):
        _write(home / ".ssh" / "authorized_keys", public, 0o600)
        (home / ".ssh").chmod(0o700)
        for path in (home, home / ".ssh", home / ".ssh" / "authorized_keys"):
            os.chown(path, number, number)
    (root / "var" / "log").mkdir(parents=True, exist_ok=True)


def _initrd(root: Path, modules: list[Path]) -> bytes:
    """The archive that loads the disk's and the network's drivers and hands over to the disk."""
    folders = ("bin", "dev", "proc", "sys", "root", "modules")
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in folders]
    script = INIT.format(address=ADDRESS, gateway=GATEWAY).encode()
    order = "".join(f"{path.name}\n" for path in modules).encode()
    entries += [
        ("init", stat.S_IFREG | 0o755, script),
        ("bin/busybox", stat.S_IFREG | 0o755, (root / "bin" / "busybox").read_bytes()),
        ("modules/order", stat.S_IFREG | 0o644, order),
    ]
    for path in modules:
        entries.append((f"modules/{path.name}", stat.S_IFREG | 0o644, path.read_bytes()))
        path.unlink()
    return _cpio(entries)


def _cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive in the "newc" format, the one the kernel unpacks."""
    parts = []
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
    return b"".join(parts)
