"""Builds what goes to a phone and into an app, from our sources and pinned public packages.

Two builds give the same bytes, whoever runs them and wherever. Usage:

    python android_harness/java/build.py [--out FOLDER]

Without --out it is the package's own folder, android_harness/edge_deploy_android/built. In it are
then: the harness and the runtime's Java classes as dex in a jar each, the harness as an app, the
classifier of an app developer's library as class files and as source, the LiteRT shims, the
runtime's AAR as it was published, and the sha256 of them all. Needs a JDK 17, Maven, and the Debian
packages aapt, apksigner, android-framework-res, clang-16 and lld-16.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from building import sources
from building.dependencies import RUNTIME_AAR, Dependencies, fetch, sha256_of
from building.errors import BuildError
from building.jdk import Jdk, compile_java, dex, find_jdk
from building.packaging import (
    classes_jar,
    dex_entry,
    link_resources,
    stored_zip,
    verify_apk,
    write_signed_apk,
)
from building.shims import build_phone_shims

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "edge_deploy_android" / "built"
VERSION_FILE = HERE.parents[1] / "rpi_runner" / "edge_deploy_runner" / "version.py"
HARNESS_LIMIT_BYTES = 100_000
SUMS = "SHA256SUMS"


def build(out: Path, scratch: Path) -> None:
    """Write everything that is built to the empty folder `out`, by way of files in `scratch`."""
    jdk, dependencies = find_jdk(), fetch()
    version, digest = read_version(), sources.harness_digest()
    runtime = dependencies.runtime_classes
    core, app = compile_harness(jdk, dependencies, scratch, version, digest)

    harness_dex = dex(jdk, dependencies, [core], scratch / "harness", class_path=runtime)
    write_dex_jar(harness_dex, out / "harness.jar")
    check_size(out / "harness.jar")
    runtime_dex = dex(jdk, dependencies, runtime, scratch / "runtime")
    write_dex_jar(runtime_dex, out / "tflite-runtime.jar")
    build_apk(jdk, dependencies, [core, app], scratch / "apk", version, out / "harness.apk")
    build_wrapper(jdk, dependencies, scratch / "wrapper", out / "wrapper.jar")
    write_wrapper_sources(out / "wrapper-sources.zip")
    build_phone_shims(out / "jni")

    (out / RUNTIME_AAR).write_bytes(dependencies.jar(RUNTIME_AAR).read_bytes())
    about = json.dumps({"version": version, "digest": digest}, indent=1)
    (out / "BUILD.json").write_bytes(f"{about}\n".encode())
    (out / SUMS).write_bytes(sums_of(out).encode())


def compile_harness(
    jdk: Jdk, dependencies: Dependencies, scratch: Path, version: str, digest: str
) -> tuple[Path, Path]:
    """Folders of class files: the core, compiled without Android, and the app around it."""
    info = sources.write_build_info(scratch / "generated", version, digest)
    core, app = scratch / "core-classes", scratch / "app-classes"
    runtime = dependencies.runtime_classes
    compile_java(jdk, [*sources.core_sources(), info], runtime, core)
    compile_java(jdk, sources.app_sources(), [core, *runtime, dependencies.framework], app)
    return core, app


def build_apk(
    jdk: Jdk,
    dependencies: Dependencies,
    classes: Sequence[Path],
    scratch: Path,
    version: str,
    apk: Path,
) -> None:
    """Write the instrumented app: the harness and the runtime's Java classes.

    It holds no native library: those it is told to use are pushed, and copied by it to its own
    folder.
    """
    programs = [*classes, *dependencies.runtime_classes]
    dex_file = dex(jdk, dependencies, programs, scratch)
    entries = link_resources(sources.MANIFEST, scratch, version)
    write_signed_apk([*entries, dex_entry(dex_file)], apk, scratch)
    verify_apk(apk)


def build_wrapper(jdk: Jdk, dependencies: Dependencies, classes: Path, jar: Path) -> None:
    """Write the class files of the classifier; a library for one model is made from them."""
    libraries = [*dependencies.runtime_classes, dependencies.framework]
    compile_java(jdk, sources.wrapper_sources(), libraries, classes)
    jar.write_bytes(classes_jar(classes))


def write_wrapper_sources(archive: Path) -> None:
    """Write the classifier's sources, its test, and its ProGuard rules, for libraries as source."""
    files = sources.wrapper_source_files()
    archive.write_bytes(stored_zip([(name, path.read_bytes()) for name, path in files.items()]))


def write_dex_jar(dex_file: Path, jar: Path) -> None:
    """Write the jar that `app_process` takes as its class path."""
    jar.write_bytes(stored_zip([("classes.dex", dex_file.read_bytes())]))


def check_size(jar: Path) -> None:
    """Refuse a harness that has grown too large to be pushed for every measurement."""
    size_bytes = jar.stat().st_size
    if size_bytes > HARNESS_LIMIT_BYTES:
        raise BuildError(
            f"{jar.name} has {size_bytes} bytes and may have {HARNESS_LIMIT_BYTES}; "
            "take out of the harness what the computer can do"
        )


def read_version() -> str:
    """The version of edge-deploy."""
    found = re.search(r'^VERSION = "([^"]+)"', VERSION_FILE.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{VERSION_FILE} names no VERSION")
    return found[1]


def files_in(folder: Path) -> dict[str, Path]:
    """The files below a folder by their path in it, sorted."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in files))


def sums_of(folder: Path) -> str:
    """What `sha256sum --check` reads, for every file below a folder but the list itself."""
    files = {name: path for name, path in files_in(folder).items() if name != SUMS}
    return "".join(f"{sha256_of(path)}  {name}\n" for name, path in files.items())


def put_in_place(new: Path, out: Path) -> None:
    """Copy what was built to where it belongs, and remove what is built no longer."""
    built = files_in(new)
    for name, path in built.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(path.read_bytes())
        part.chmod(0o644)
        part.replace(target)
    for name in files_in(out).keys() - built.keys():
        (out / name).unlink()


def main(arguments: Sequence[str]) -> int:
    """Build into the folder that is named; else says in a sentence why not."""
    description, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--out", type=Path, default=BUILT, metavar="FOLDER", help="instead of the package's own"
    )
    out: Path = parser.parse_args(arguments).out.absolute()
    if out != BUILT and out.is_dir() and any(out.iterdir()) and not (out / SUMS).is_file():
        parser.error(f"{out} holds files that were not built here; name another folder")
    try:
        with tempfile.TemporaryDirectory(prefix="edge-deploy-build-") as folder:
            new = Path(folder) / "new"
            new.mkdir()
            build(new, Path(folder) / "scratch")
            put_in_place(new, out)
    except (BuildError, OSError) as error:
        print(f"The harness was not built: {error}", file=sys.stderr)
        return 1
    for name, path in files_in(out).items():
        print(f"{path.stat().st_size:>9} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
