"""Real arm64 and armhf userlands from Debian's archive, run under QEMU."""
