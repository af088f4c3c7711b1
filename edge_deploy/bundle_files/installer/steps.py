"""Installing, going back, listing and removing: each step leaves what runs running."""

from __future__ import annotations

import compileall
import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from . import configuration
from .bundle_reading import MANIFEST, MANIFEST_SUM, Bundle, open_bundle, read_manifest, take
from .configuration import Configuration
from .device_checks import check_device, check_space, disk_full, needed_bytes
from .place import PARTIAL, Place, sync_folder, writing
from .refusal import DAMAGED, NO_BUNDLE, Refusal, say
from .selftest_process import selftest
from .service_unit import remove_service, start_service


def install(path: Path, prefix: Path, with_service: bool) -> dict[str, Any]:
    """Check, copy, test and switch; what was done, for `--json`. Raises `Refusal`."""
    with open_bundle(path) as bundle:
        manifest = bundle.manifest
        check_device(manifest)
        place = Place(prefix, manifest["name"])
        with writing(place.folder), place.locked():
            place.clear()
            current = place.linked("current")
            if current and current.endswith(manifest["id"]) and is_whole(place, current, manifest):
                # Also after a power cut that came before the configuration was put in its place.
                configured = Configuration(place, place.versions / current).put()
                result: dict[str, Any] = {"action": "already installed", "selftest": None}
            else:
                check_space(manifest, place.folder)
                found, configured = _put(bundle, place)
                result = {"action": "installed", "selftest": found}
            result |= {"folder": str(place.folder), **_state(place), **configured}
            result["service"] = start_service(place, manifest) if with_service else None
    return {"name": manifest["name"], "target": manifest["target"]["name"], **result}


def _put(bundle: Bundle, place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copy and test a version and switch to it: the self-test's report and the configuration's."""
    manifest = bundle.manifest
    version = place.next_name(manifest["id"])
    partial = place.versions / f"{PARTIAL}{version}"
    needed = needed_bytes(manifest)
    say(f"copying {len(manifest['files'])} files, {needed / 1e6:.0f} MB on the disk")
    try:
        partial.mkdir()
        write_files(bundle, place, partial)
        # Here, and not after each of a thousand files, which takes a minute on an SD card.
        os.sync()
        say("self-test: the model's answers against those of the machine that built the bundle")
        found = selftest(partial)
        # The packages were compiled as far as they are used; the service may not write there.
        compileall.compile_dir(str(partial / "runner"), quiet=2)
        config = Configuration(place, partial)
        os.sync()
        partial.rename(place.versions / version)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            shutil.rmtree(partial, ignore_errors=True)
            free = shutil.disk_usage(place.versions).free
            raise disk_full(needed, free, place.folder) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(place.versions)
    old = place.linked("current")
    if old:
        place.point("previous", old)
    place.point("current", version)
    configured = config.put()
    place.prune()
    return found, configured


def write_files(bundle: Bundle, place: Place, partial: Path) -> None:
    """Copy a bundle's files into a new folder, each one held against the manifest."""
    made: set[str] = set()

    @contextlib.contextmanager
    def write(name: str, mode: int) -> Iterator[IO[bytes]]:
        target = partial / name
        if target.parent.as_posix() not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent.as_posix())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(target, flags, mode), "wb") as output:
            yield output

    take(bundle, write)
    for name, data in bundle.raw.items():
        (partial / name).write_bytes(data)


def is_whole(place: Place, version: str, manifest: dict[str, Any]) -> bool:
    """Whether an installed version still has every byte of its bundle."""
    for name, record in manifest["files"].items():
        try:
            data = (place.versions / version / name).read_bytes()
        except OSError:
            return False
        if hashlib.sha256(data).hexdigest() != record["sha256"]:
            return False
    return True


def rollback(place: Place, with_service: bool) -> dict[str, Any]:
    """Go back to the version before; another rollback returns."""
    with writing(place.folder), place.locked():
        place.clear()
        target, current = place.other(), place.linked("current")
        if target is None:
            raise Refusal(NO_BUNDLE, f"{place.folder} has no other version to go back to")
        config = Configuration(place, place.versions / target)
        if current:
            place.point("previous", current)
        place.point("current", target)
        configured = config.put()
        manifest = installed_manifest(place, target)
        service = start_service(place, manifest) if with_service else None
        return {
            "name": place.folder.name, "action": "rolled back", "folder": str(place.folder),
            **_state(place), **configured, "service": service,
        }  # fmt: skip


def uninstall(place: Place, with_service: bool) -> dict[str, Any]:
    """Remove its service, where that is wanted, and every version.

    State, logs and an edited configuration stay.
    """
    with writing(place.folder), place.locked():
        if with_service:
            remove_service(place)
        for link in ("current", "previous"):
            (place.folder / link).unlink(missing_ok=True)
        place.prune()
        place.clear()
        kept = configuration.remove(place)
        (place.folder / ".lock").unlink(missing_ok=True)
        for folder in (place.versions, place.folder):
            with contextlib.suppress(OSError):  # what is not ours, and a user's state and logs
                folder.rmdir()
    return {
        "name": place.folder.name, "action": "uninstalled", "folder": str(place.folder),
        "config": kept,
    }  # fmt: skip


def versions(place: Place) -> dict[str, Any]:
    """The versions that are there."""
    listed = []
    for version in place.installed():
        manifest = installed_manifest(place, version)
        listed.append({"version": version, "model": manifest["model"]["sha256"][:12]})
    return {
        "name": place.folder.name, "folder": str(place.folder), **_state(place), "versions": listed
    }  # fmt: skip


def _state(place: Place) -> dict[str, Any]:
    return {"version": place.linked("current"), "previous": place.other()}


def installed_manifest(place: Place, version: str) -> dict[str, Any]:
    """The manifest of an installed version; raises `Refusal`."""
    folder = place.versions / version
    try:
        sums = (folder / MANIFEST_SUM).read_bytes()
        return read_manifest((folder / MANIFEST).read_bytes(), sums)
    except OSError as error:
        raise Refusal(
            DAMAGED, f"{folder} cannot be read ({error.strerror}); install a bundle again"
        ) from error
