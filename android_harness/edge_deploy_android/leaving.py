"""How a phone is left: as it was found, however a run ends.

A small shell on the phone holds what must be undone. It is told each change before it is made, and
undoes them all, the last one first, when its input ends: at our end, at Ctrl-C, when this process
is killed, and when the cable is pulled.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import shlex
import time
from types import TracebackType

from edge_deploy_runner.errors import DeviceError

from .adb import AdbDevice, ShellSession

ROOT = "/data/local/tmp/edge-deploy"
_ACK_LIMIT_S = 30.0
_LEAVE_LIMIT_S = 30.0

# $1: folder of all runs, $2: this run's name, $3: "keep" or "remove" for the pushed files.
# Each line of input is a command that undoes a change; "leave" is the orderly end. A run whose
# keeper is gone (the phone was switched off, adb's daemon restarted) is undone and cleared away
# here too, but for its keys: the screen has been in other hands since.
_KEEPER = r"""
root=$1 run=$1/$2 keep=$3 undo= orderly=
trap '' HUP INT TERM PIPE
remove() {
  rm -rf "$run"
  for other in "$root"/run-*; do
    [ -e "$other" ] && return
  done
  [ "$keep" = keep ] || rm -rf "$root/files"
  rmdir "$root"
}
fail() {
  remove 2>/dev/null
  exit 3
}
mkdir -p "$run" && mkdir -p "$root/files" || fail
chmod 755 "$root" "$root/files" "$run" 2>/dev/null
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
echo "$boot" > "$run/boot_id"
echo $$ > "$run/keeper.pid" || fail
for other in "$root"/run-*; do
  pid=$(cat "$other/keeper.pid" 2>/dev/null)
  [ -n "$pid" ] && [ "$other" != "$run" ] || continue
  its=$(cat "$other/boot_id" 2>/dev/null)
  # After a restart the number is another program's.
  [ -n "$boot" ] && [ -n "$its" ] && [ "$boot" != "$its" ] || ! kill -0 "$pid" 2>/dev/null ||
    continue
  sh -c "$(grep -v '^input ' "$other/undo" 2>/dev/null)" </dev/null >/dev/null 2>&1
  rm -rf "$other"
done
echo ready
while IFS= read -r line; do
  [ "$line" = leave ] && { orderly=1; break; }
  undo="$line
$undo"
  print -r -- "$undo" > "$run/undo"
  echo noted
done
exec >/dev/null 2>&1
stop() {
  pid=$(cat "$run/harness.pid" 2>/dev/null)
  [ -n "$pid" ] && kill "-$1" "$pid"
}
if stop TERM; then
  for wait in 1 2 3 4 5; do stop 0 || break; sleep 1; done
  stop KILL
fi
eval "$undo"
remove
# A copy that was under way when the connection broke may still have made its folder anew.
[ -n "$orderly" ] || { sleep 2; remove; }
exit 0
"""


class Leaving:
    """The time on a phone, as a context manager: a folder of our own, and what to undo after it.

    Raises `DeviceError` where the folder cannot be made, and in the end where the phone cannot be
    cleaned, which `trouble` tells as well ("" for a clean one). Leaving never hides another error.
    """

    def __init__(self, device: AdbDevice, keep: bool = False) -> None:
        self.device = device
        self.files = f"{ROOT}/files"
        self.run = f"{ROOT}/run-{secrets.token_hex(6)}"
        self._keep = keep
        self._stack = contextlib.ExitStack()
        self.trouble = ""
        self._raises = True
        self._session: ShellSession | None = None
        self._said: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Leaving:
        """Make the folders; from here on the phone cleans up by itself."""
        words = [ROOT, self.run.rsplit("/", 1)[-1], "keep" if self._keep else "remove"]
        command = shlex.join(["sh", "-c", _KEEPER, "keeper", *words])
        self._session = self._stack.enter_context(
            self.device.open_shell(command, "preparing the phone", on_stdout=self._said.put)
        )
        try:
            self._expect("ready")
        except BaseException:
            self._stack.close()
            raise
        return self

    def undo(self, command: str) -> None:
        """Note one line of shell that undoes a change, before the change is made."""
        assert self._session is not None
        if "\n" in command:
            raise ValueError("a line that undoes a change holds no line ends")
        self._session.write(f"{command}\n".encode())
        self._expect("noted")

    def tell_trouble_only(self) -> None:
        """Have a failure to clean up told in `trouble`, no more raised."""
        self._raises = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have everything undone, and wait for it."""
        assert self._session is not None
        with self._stack:
            self._session.write(b"leave\n")
            self._session.close_input()
            self._session.what = "cleaning up after the run"
            try:
                self._session.completed(_LEAVE_LIMIT_S)
            except DeviceError as lost:
                self.trouble = f"{lost}; what may be left in {ROOT} there goes with the next run"
                if kind is None and self._raises:
                    raise DeviceError(self.trouble) from lost

    def _expect(self, word: str) -> None:
        assert self._session is not None
        deadline = time.monotonic() + _ACK_LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                if self._said.get(timeout=0.1).strip() == word:
                    return
                continue
            if self._session.has_ended:
                done = self._session.completed(_ACK_LIMIT_S)
                raise DeviceError(_refusal(self.device.serial, done.stderr))
        raise DeviceError(
            f"{self.device.serial} did not answer within {_ACK_LIMIT_S:.0f} s while preparing the "
            "phone; unplug it and plug it in again"
        )


def _refusal(serial: str, stderr: str) -> str:
    from .adb_text import is_full_disk, last_words

    if is_full_disk(stderr):
        return f"the storage of {serial} is full; free some space on the phone"
    return f"{ROOT} cannot be made on {serial}: {last_words(stderr) or 'it gives no reason'}"
