"""What ssh's own words mean for the user: pure functions over its stderr."""

from __future__ import annotations

import re
import shlex

from .target import SshTarget


def explain_connection(stderr: str, target: SshTarget) -> str:
    """One sentence for why ssh could not connect, from what it printed."""
    where = target.login
    by_hand = f"connect once by hand: {target.command('ssh')}"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in stderr or re.search(
        r"[Hh]ost key for .* has changed", stderr
    ):
        entry = f"[{target.host}]:{target.port}" if target.port else target.host
        return (
            f"the host key of {target.host} has changed: it was set up anew, or somebody poses as "
            f"it; only if you know why, forget the old key with `ssh-keygen -R "
            f"{shlex.quote(entry)}` and {by_hand}"
        )
    if "Host key verification failed" in stderr or "host key is known for" in stderr:
        return f"the host key of {target.host} is not known to this computer yet; {by_hand}"
    if match := re.search(r"Could not resolve hostname [^:]*: (.*)", stderr):
        return (
            f"there is no host called {target.host} ({_words(match[1])}); check the name, or use "
            "the board's IP address"
        )
    if denied := re.search(r"Permission denied \(([^)]*)\)", stderr):
        if "UNPROTECTED PRIVATE KEY" in stderr:
            return "ssh ignores your private key, as others can read it; run chmod 600 on it"
        methods = denied[1].split(",")
        if "publickey" not in methods:
            return (
                f"{where} lets in with a password only, which cannot be typed here; allow keys in "
                "its sshd_config (PubkeyAuthentication yes)"
            )
        return (
            f"{where} does not accept your ssh key; put it there with `"
            f"{target.command('ssh-copy-id')}`, or load it with ssh-add if it has a passphrase"
        )
    if "Too many authentication failures" in stderr:
        return (
            f"{where} refused all the keys that ssh offered; name the right one in ~/.ssh/config "
            "(IdentityFile and IdentitiesOnly yes)"
        )
    if "Connection refused" in stderr:
        return (
            f"{target.host} is there but nothing listens on its ssh port"
            f"{f' {target.port}' if target.port else ''}; enable ssh on it (on a Raspberry Pi: "
            "sudo systemctl enable --now ssh), or check the port"
        )
    if re.search(r"[Tt]imed? ?out", stderr):
        return (
            f"{target.host} does not answer (timed out); check that it is switched on and in the "
            "same network"
        )
    if re.search(r"No route to host|Network is unreachable|Host is down", stderr):
        return f"there is no way to {target.host}; check that it is switched on and in your network"
    if match := re.search(r"[Nn]o matching (.*?) found", stderr):
        return f"this computer's ssh and {target.host}'s have no {match[1]} in common; update one"
    if re.search(r"[Bb]ad (configuration|owner)|terminating, \d+ bad", stderr):
        return f"ssh refuses your ssh config: {_last(stderr)}"
    if re.search(r"kex_exchange|closed by|[Cc]onnection reset|banner", stderr):
        return (
            f"{target.host} closed the connection before login ({_last(stderr)}); try again, and "
            f"look at what it says: {target.command('ssh')}"
        )
    return f"ssh cannot connect to {where}: {_last(stderr) or 'it gives no reason'}; {by_hand}"


def explain_loss(stderr: str, target: SshTarget, what: str) -> str:
    """One sentence for a connection that ended in the middle of `what`."""
    # UNKNOWN is what a session calls the host when it finds the shared connection gone.
    said = [
        line
        for line in stderr.splitlines()
        if _SSH_SAYS.search(line) and "UNKNOWN port" not in line
    ]
    why = f" ({_words(said[0])})" if said else ""
    return f"the connection to {target.login} was lost while {what}{why}; run the command again"


def is_full_disk(stderr: str) -> bool:
    """Whether a remote program met the end of its disk, its quota, or its largest file."""
    return bool(re.search(r"No space left|[Qq]uota exceeded|File too large|[Ff]ile size limit",
                          stderr))  # fmt: skip


_SSH_SAYS = re.compile(
    r"client_loop|closed by|[Cc]onnection (to .* )?(reset|closed|timed out)|not responding|"
    r"Broken pipe|mux_client"
)


def _last(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return _words(lines[-1]) if lines else ""


def _words(line: str) -> str:
    """A line of somebody else's program: printable and short."""
    return "".join(c if c.isprintable() else " " for c in line).strip().rstrip(".")[:200]
