"""Install this bundle beside the version that runs, test it, and switch over in one step.

Whatever ends it early, the version that ran goes on running, and the next install clears away what
was left. It needs no network and no right clock.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from .bundle_reading import MANIFEST, check_bundle, open_bundle
from .device_checks import check_device
from .place import Place
from .refusal import DEVICE, INTERRUPTED, NO_BUNDLE, USAGE, Refusal, say
from .service_unit import service_problem
from .steps import install, rollback, uninstall, versions


def default_prefix() -> Path:
    """Where bundles go: for root one place for all, else the user's own."""
    if os.geteuid() == 0:
        return Path("/opt/edge-deploy")
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return Path(data) / "edge-deploy"


def arguments_of(given: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="install.py", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", nargs="?",
        help="a bundle's .tar.gz or unpacked folder; by default the folder of install.py",
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="go back to the version before")
    what.add_argument("--list", action="store_true", help="list the versions that are installed")
    what.add_argument(
        "--uninstall", action="store_true", help="remove the service and all versions"
    )
    what.add_argument("--check", action="store_true", help="check the bundle, and install nothing")
    what.add_argument(
        "--fits", action="store_true",
        help="check only that this device can run the bundle, of which the manifest is enough",
    )  # fmt: skip
    parser.add_argument("--name", help="which model --rollback, --list and --uninstall mean")
    parser.add_argument("--prefix", help="install below this folder instead of /opt/edge-deploy")
    parser.add_argument("--no-service", action="store_true", help="leave systemd alone")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    # Over ssh a Ctrl-C at the other end arrives here as the end of the input, and as nothing else.
    parser.add_argument("--ends-with-stdin", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def act(arguments: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line asks; raises `Refusal`."""
    path = Path(arguments.bundle) if arguments.bundle else Path(__file__).resolve().parents[1]
    prefix = Path(os.path.abspath(arguments.prefix)) if arguments.prefix else default_prefix()  # noqa: PTH100
    if re.search(r"[\s@]", str(prefix)):
        raise Refusal(USAGE, f"--prefix {str(prefix)!r} holds a space or an @; name another folder")
    if arguments.check:
        manifest = check_bundle(path)
        check_device(manifest)
        return {"name": manifest["name"], "action": "checked", "files": len(manifest["files"])}
    if arguments.fits:
        with open_bundle(path) as bundle:
            check_device(bundle.manifest)
            return {"name": bundle.manifest["name"], "action": "fits this device"}
    if not (arguments.rollback or arguments.list or arguments.uninstall):
        return install(path, prefix, not arguments.no_service)
    place = Place(prefix, _installed_name(arguments, path, prefix))
    if arguments.list:
        return versions(place)
    step = rollback if arguments.rollback else uninstall
    return step(place, not arguments.no_service)


def _installed_name(arguments: argparse.Namespace, path: Path, prefix: Path) -> str:
    """Which installed model is meant: by --name, by the bundle, or as the only one."""
    found = sorted(p.parent.name for p in prefix.glob("*/versions"))
    name = arguments.name
    if name is None and (arguments.bundle or (path / MANIFEST).is_file()):
        with open_bundle(path) as bundle:
            name = bundle.manifest["name"]
    if name is None and len(found) == 1:
        name = found[0]
    if name is None or name not in found:
        there = f"it has {', '.join(found)}" if found else "nothing is installed there"
        raise Refusal(
            NO_BUNDLE, f"{prefix} has no {name or 'single model'}: {there}; say which with --name"
        )
    return str(name)


def words(result: dict[str, Any]) -> str:
    """The result for a reader."""
    lines = [f"{result['name']}: {result['action']}" if "action" in result else result["name"]]
    for key in ("version", "previous", "folder"):
        if result.get(key):
            lines.append(f"  {key:<9} {result[key]}")
    for entry in result.get("versions", ()):
        marks = {result["version"]: "current", result["previous"]: "previous"}
        mark = marks.get(entry["version"], "")
        lines.append(f"  {entry['version']}  model {entry['model']}  {mark}".rstrip())
    lines += _config_words(result)
    service = result.get("service")
    if service and service["unit"]:
        lines.append(f"  service   {service['unit']} is {service['state']}")
    elif service:
        lines.append(f"  no service: {service['reason']}; start it with")
        lines.append(f"  {service['by_hand']}")
    return "\n".join(lines)


def _config_words(result: dict[str, Any]) -> list[str]:
    outcome, file = result.get("config"), f"{result.get('folder')}/service.toml"
    if outcome is None:
        return []
    if result["action"] == "uninstalled":
        return [f"  config    {file} stays, as you changed it; the next install uses it"]
    lines = [f"  config    {file}" + (" (yours to change)" if outcome != "kept" else "")]
    if outcome == "kept":
        lines[0] += f", as you changed it; this version's own is {file}.new"
    return lines


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _end_with_stdin() -> None:
    """Interrupt this process once its input ends; whoever holds it open has gone then."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def main(given: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = arguments_of(given)
    os.umask(0o022)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    if arguments.ends_with_stdin:
        _end_with_stdin()
    try:
        result = act(arguments)
    except Refusal as refusal:
        print(f"Error: {' '.join(str(refusal).split())}", file=sys.stderr)
        return refusal.code
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; {str(interrupt) or 'what ran before still runs'}")
        return INTERRUPTED
    print(json.dumps(result, indent=2) if arguments.json else words(result))
    problem = service_problem(result)
    if problem is not None:
        print(f"Error: {problem}", file=sys.stderr)
        return DEVICE
    return 0
