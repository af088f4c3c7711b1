"""Bundles for the Raspberry Pi: one file that a device without network installs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import BadInputError, OutputError
from edge_deploy_runner.output import check_free, write_bytes
from edge_deploy_runner.progress import Progress
from edge_deploy_runner.version import VERSION, package_digest, package_files

from edge_deploy.budget import Budget
from edge_deploy.bundle_files.installer.bundle_reading import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    MANIFEST_SUM,
)

from .bundle_record import Bundle
from .folder_output import names_folder
from .golden_child import golden_of
from .golden_outputs import quantizes_while_running
from .packed_model import check_same_answers, merged_contract, open_source, with_contract
from .reproducible_tar import Entry, write_tar_gz
from .service_files import fill, make_service, template
from .targets import BundleTarget
from .verdicts import architecture_doubts, limit_of, read_verdict
from .wheels import SiteArchive, site_archive


@dataclass(frozen=True)
class DeviceOptions:
    """What only bundles for a device with a service take; see `bundling.bundle`."""

    service: str | os.PathLike[str] | None = None
    wheels: str | os.PathLike[str] | None = None
    site: SiteArchive | None = None


def bundle_for_pi(
    model: str | os.PathLike[str],
    target: BundleTarget,
    output: str | os.PathLike[str],
    *,
    name: str | None,
    verdict: str | os.PathLike[str] | None,
    budget: Budget | None,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
    override: bool,
    options: DeviceOptions,
    force: bool,
    on_progress: Progress,
) -> Bundle:
    """Build a bundle for a system of the Pi; parameters and errors as `bundling.bundle` has."""
    source = open_source(model, name)
    file, name = source.file, source.name
    if target.platform.machine == "armv7l" and quantizes_while_running(file):
        raise BadInputError(
            f"{file.name} quantizes while it runs (recipe dynamic), and tflite-runtime 2.14, the "
            "only runtime for 32-bit systems, answers wrongly for such models; convert it with "
            "-r int8"
        )
    path = _output_path(output, f"{name}-{target.name}.tar.gz", force)
    summary = read_verdict(verdict, file) if verdict is not None else None
    memory = limit_of(budget, "peak_memory")
    contract = merged_contract(file, preprocessing, labels, override)
    stored = with_contract(file, contract, override)
    services = make_service(name, options.service, memory)

    on_progress("golden outputs", 0, 0)
    model_path = f"model/{name}.tflite"
    golden = golden_of(stored, contract.preprocessing, model_path)
    check_same_answers(file, stored)
    wheels = Path(options.wheels) if options.wheels is not None else None
    packages = options.site or site_archive(
        target.platform, wheels=wheels, extra=services.packages, on_progress=on_progress
    )
    on_progress("packing", 0, 0)
    about = {
        "NAME": name, "MODEL": model_path, "SYSTEM": target.system, "VERSION": VERSION
    }  # fmt: skip
    entries = [
        Entry(model_path, stored.data),
        Entry("service.toml", services.config.encode()),
        Entry(f"{name}.service", services.unit.encode()),
        Entry("README.txt", fill(template("README.txt"), about).encode()),
        Entry("bin/edge-deploy-runner", template("edge-deploy-runner").encode(), 0o755),
        *(Entry(f"golden/{key}", data) for key, data in golden.files.items()),
        *(
            Entry(f"runner/edge_deploy_runner/{key}", path.read_bytes())
            for key, path in package_files().items()
        ),
        *_installer(),
        *_site_entries(packages),
    ]
    doubts = architecture_doubts(summary, (target.platform.machine,))
    warnings = (*services.warnings, *golden.warnings, *doubts)
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": name,
        "id": _content_id(entries),
        "target": {
            "name": target.name,
            "system": target.system,
            "machine": target.platform.machine,
            "python": target.platform.python_text,
            "glibc": target.glibc,
        },
        "model": {
            "file": model_path,
            "sha256": stored.sha256,
            "size_bytes": len(stored.data),
            "source_sha256": file.sha256,
            "recipe": source.recipe,
            "arithmetic": golden.arithmetic,
        },
        "runner": {"version": VERSION, "digest": package_digest()},
        "packages": packages.packages,
        "system_packages": [package.to_json() for package in target.system_packages],
        "warnings": list(warnings),
        "gated": summary is not None,
        "verdict": summary,
        "limits": {"memory_bytes": services.memory_bytes},
        "service": {"unit": f"{name}.service", "private_network": not services.needs_network},
        "files": {
            entry.name: {
                "sha256": hashlib.sha256(entry.data).hexdigest(),
                "size_bytes": len(entry.data),
                "mode": entry.mode,
            }
            for entry in sorted(entries, key=lambda entry: entry.name)
        },
    }
    data = _pack(f"{name}-{target.name}", manifest, entries)
    write_bytes(path, data, force)
    return Bundle(
        path,
        hashlib.sha256(data).hexdigest(),
        len(data),
        sum(len(entry.data) for entry in entries),
        manifest,
        warnings,
    )


def _pack(top: str, manifest: dict[str, Any], entries: list[Entry]) -> bytes:
    """The archive: first what says what belongs in it, so that it can be read in one go."""
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    head = [
        Entry(MANIFEST, text),
        Entry(MANIFEST_SUM, f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n".encode()),
    ]
    stream = io.BytesIO()
    ordered = [*head, *sorted(entries, key=lambda entry: entry.name)]
    write_tar_gz(stream, (Entry(f"{top}/{e.name}", e.data, e.mode) for e in ordered))
    return stream.getvalue()


def _output_path(output: str | os.PathLike[str], file_name: str, force: bool) -> Path:
    path = Path(output) / file_name if names_folder(output) else Path(output)
    if not path.name.endswith(".tar.gz"):
        raise OutputError(f"a bundle is a .tar.gz; write it to {path}.tar.gz, or name a folder")
    return check_free(path, force)


def _installer() -> list[Entry]:
    folder = resources.files("edge_deploy") / "bundle_files"
    sources = {"install.py": folder / "install.py"}
    for source in (folder / "installer").iterdir():
        if source.name.endswith(".py"):
            sources[f"installer/{source.name}"] = source
    modes: Mapping[str, int] = {"install.py": 0o755}
    return [
        Entry(name, source.read_bytes(), modes.get(name, 0o644)) for name, source in sources.items()
    ]


def _site_entries(site: SiteArchive) -> list[Entry]:
    entries = []
    with tarfile.open(site.path, "r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                entries.append(Entry(f"site/{member.name}", content.read()))
    return entries


def _content_id(entries: list[Entry]) -> str:
    """Twelve hex digits that name this content."""
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: entry.name):
        digest.update(f"{entry.name}\0{entry.mode}\0".encode())
        digest.update(hashlib.sha256(entry.data).digest())
    return digest.hexdigest()[:12]
