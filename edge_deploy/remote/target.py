"""Where ssh goes: `ssh://USER@HOST[:PORT]`, parsed so that nothing in it can become an option."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from edge_deploy_runner.errors import UsageError

_URL = re.compile(
    r"ssh://(?:(?P<user>[^@/]*)@)?(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^:/@\[\]]*)(?::(?P<port>[^/]*))?/?"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%:+\\-]*")


@dataclass(frozen=True)
class SshTarget:
    """Where ssh goes. User and port None leave the choice to the user's own ssh config."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def url(self) -> str:
        """The target as `--device` takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"ssh://{user}{host}{f':{self.port}' if self.port else ''}"

    @property
    def login(self) -> str:
        """USER@HOST, for sentences and commands."""
        return f"{self.user}@{self.host}" if self.user else self.host

    def command(self, program: str) -> str:
        """`ssh` or `ssh-copy-id` with this target, for the user to type."""
        port = f"-p {self.port} " if self.port else ""
        return f"{program} {port}{shlex.quote(self.login)}"


def parse_target(text: str) -> SshTarget:
    """The target in `ssh://USER@HOST[:PORT]`; raises `UsageError` that says what is wrong.

    User and port may be left out. The text itself is not repeated where it holds a password.
    """
    match = _URL.fullmatch(text)
    if match is None:
        shown = re.sub(r"//[^@]*@", "//...@", text)
        raise UsageError(f"{shown!r} is no ssh target; write ssh://USER@HOST[:PORT]")
    user, host, port = match["user"], match["host"].strip("[]"), match["port"]
    if user is not None and ":" in user:
        raise UsageError(
            "an ssh target takes no password; write ssh://USER@HOST[:PORT] and log in with a key "
            "(ssh-copy-id puts it there)"
        )
    if user is not None and not _NAME.fullmatch(user):
        raise UsageError(f"{user!r} is no user name in ssh://USER@HOST[:PORT]")
    if not _NAME.fullmatch(host):
        # What begins with "-" would be an option of ssh.
        raise UsageError(f"{host!r} is no host name in ssh://USER@HOST[:PORT]")
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError(f"{port!r} is no port in ssh://USER@HOST[:PORT]; it is a number to 65535")
    return SshTarget(host, user, int(port) if port else None)
