"""From a model and a passing verdict to one file that a device without network installs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from edge_deploy_runner.bench.records import FORMAT as MEASUREMENT_FORMAT
from edge_deploy_runner.photo_model import check_card
from edge_deploy_runner.contract import Contract, Preprocessing, read_contract
from edge_deploy_runner.errors import (
    BadInputError,
    BundleError,
    EdgeDeployError,
    OutputError,
)
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.output import check_free, write_bytes
from edge_deploy_runner.progress import Progress, silent
from edge_deploy_runner.tflite.model_file import ModelFile
from edge_deploy_runner.version import VERSION, package_digest, package_files

from edge_deploy.budget import Budget, read_budget
from edge_deploy.bundle_files.installer.bundle_reading import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    MANIFEST_SUM,
    NAME_PATTERN,
)

from .golden_outputs import make_golden, quantizes_while_running
from .reproducible_tar import Entry, write_tar_gz
from .service_files import fill, make_service, template
from .targets import BundleTarget, read_target
from .wheels import SiteArchive, site_archive

_LONGEST_NAME = 64


class GateError(EdgeDeployError):
    """The verdict that a bundle was to be built on did not pass."""

    exit_code = 1


@dataclass(frozen=True)
class Bundle:
    """One bundle that was built. `installed_bytes` is the sum of its files, `gated` whether a
    passing verdict stood behind it.
    """

    path: Path
    sha256: str
    size_bytes: int
    installed_bytes: int
    manifest: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is installed as."""
        return str(self.manifest["name"])

    @property
    def gated(self) -> bool:
        """Whether a passing verdict stood behind it."""
        return bool(self.manifest["gated"])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; the manifest without its list of files."""
        manifest = {key: value for key, value in self.manifest.items() if key != "files"}
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "installed_bytes": self.installed_bytes,
            "files": len(self.manifest["files"]),
            "manifest": manifest,
            "warnings": list(self.warnings),
        }


def bundle(
    model: str | os.PathLike[str],
    target: str | BundleTarget,
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    verdict: str | os.PathLike[str] | None = None,
    budget: str | os.PathLike[str] | Budget | None = None,
    service: str | os.PathLike[str] | None = None,
    preprocessing: Preprocessing | None = None,
    labels: tuple[str, ...] | None = None,
    override: bool = False,
    wheels: str | os.PathLike[str] | None = None,
    site: SiteArchive | None = None,
    force: bool = False,
    on_progress: Progress = silent,
) -> Bundle:
    """Build a bundle of a model for a target, such as "rpi-bookworm".

    `output` is a file, or a folder that gets NAME-TARGET.tar.gz. `name` is by default the model's.
    `verdict` is a file that `judge` wrote, or `profile` with a budget, about this very model. Of
    `budget` the memory limit is kept by the service. `service` is a service.toml; without one the
    service watches a folder. `preprocessing` and `labels` are put into a model that carries none,
    or with `override` others. `wheels` is a folder of wheels for a machine without network, `site`
    what is taken instead of the pinned packages. Two builds from the same files are the same, byte
    for byte.

    Raises `GateError` for a verdict that did not pass, `BadInputError`, `UsageError`,
    `BundleError` for wheels that are not the pinned ones, and `OutputError`.
    """
    if isinstance(target, str):
        target = read_target(target)
    path = Path(model)
    file = ModelFile.open(path)
    check_card(file, path)
    name = _check_name(name or re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.")[:48])
    if target.platform.machine == "armv7l" and quantizes_while_running(file):
        raise BadInputError(
            f"{file.name} quantizes while it runs (recipe dynamic), and tflite-runtime 2.14, the "
            "only runtime for 32-bit systems, answers wrongly for such models; convert it with "
            "-r int8"
        )
    output = _output_path(Path(output), f"{name}-{target.name}.tar.gz", force)
    summary = _read_verdict(verdict, file) if verdict is not None else None
    if budget is not None and not isinstance(budget, Budget):
        budget = read_budget(budget)
    memory = _memory_limit(budget) if budget else None
    contract = _contract(file, preprocessing, labels, override)
    stored = _with_contract(file, contract, override)
    services = make_service(name, service, memory)

    on_progress("golden outputs", 0, 0)
    model_path = f"model/{name}.tflite"
    golden = make_golden(stored, contract.preprocessing, model_path)
    _check_same_answers(file, stored)
    packages = site or site_archive(
        target.platform, wheels=Path(wheels) if wheels is not None else None,
        extra=services.packages, on_progress=on_progress,
    )  # fmt: skip
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
            Entry(f"runner/edge_deploy_runner/{key}", source.read_bytes())
            for key, source in package_files().items()
        ),
        *_installer(),
        *_site_entries(packages),
    ]
    warnings = (*services.warnings, *golden.warnings, *_doubts(summary, target))
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
            "recipe": _recipe(path),
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
    write_bytes(output, data, force)
    return Bundle(
        output,
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


def _check_name(name: str) -> str:
    if not NAME_PATTERN.fullmatch(name):
        raise BadInputError(
            f"{name!r} cannot be a bundle's name; give one of letters, digits, dot, dash and "
            f"underscore, at most {_LONGEST_NAME}, with --name"
        )
    return name


def _output_path(output: Path, file_name: str, force: bool) -> Path:
    if output.is_dir():
        output = output / file_name
    if not output.name.endswith(".tar.gz"):
        raise OutputError(f"a bundle is a .tar.gz; write it to {output}.tar.gz, or name a folder")
    return check_free(output, force)


def _read_verdict(path: str | os.PathLike[str], file: ModelFile) -> dict[str, Any]:
    """The summary of a verdict that passed; raises `GateError` for another."""
    try:
        record = json.loads(Path(path).read_text("utf-8"))
        if record["format"] == MEASUREMENT_FORMAT:  # `profile --budget -o` keeps it in there
            record = record["verdict"]
        if record["format"] != "edge-deploy verdict":
            raise ValueError(f"its format is {record['format']!r}")
        status, checks = record["status"], record["checks"]
        listed = [f"{check['metric']} {check['status']}" for check in checks]
        evidence = sorted({str(check.get("evidence", "unknown")) for check in checks})
        described = record["model"]["sha256"]
    except OSError as error:
        raise BadInputError(
            f"the verdict {path} cannot be read: {error.strerror or error}"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInputError(
            f"{path} is no verdict ({error}); write one with `edge-deploy judge "
            "--json`, or with `edge-deploy profile --budget FILE -o FILE`"
        ) from error
    if described != file.sha256:
        raise BadInputError(
            f"the verdict {path} is about another model (another sha256); measure and judge "
            f"{file.name} again"
        )
    if status != "pass":
        bad = [text for text in listed if not text.endswith(" pass")]
        raise GateError(
            f"the verdict {path} did not pass ({', '.join(bad) or status}); no bundle was built"
        )
    return {
        "status": status,
        "budget": record.get("budget"),
        "device": record.get("device"),
        "architecture": record.get("architecture"),
        "evidence": evidence,
        "checks": listed,
    }


def _doubts(verdict: dict[str, Any] | None, target: BundleTarget) -> list[str]:
    """Why a verdict that passed says less than it seems of the target's devices."""
    if verdict is None:
        return []
    found = []
    of, wanted = verdict["architecture"], target.platform.machine
    if of is not None and of != wanted:
        found.append(
            f"the verdict is of {verdict['device'] or 'a device'}, a machine of architecture {of}, "
            f"and the bundle is for {wanted}; profile on such a device and judge that"
        )
    if "simulated" in verdict["evidence"]:
        found.append(
            "the verdict rests on simulated figures, measured in an emulator; profile on a real "
            "device and judge that"
        )
    return found


def _memory_limit(budget: Budget) -> int | None:
    return next(
        (int(limit.bound) for limit in budget.limits if limit.metric == "peak_memory"), None
    )


def _contract(
    file: ModelFile,
    preprocessing: Preprocessing | None,
    labels: tuple[str, ...] | None,
    override: bool,
) -> Contract:
    """What the model on the device shall carry."""
    carried = Contract() if override and preprocessing and labels else read_contract(file)
    for given, own, what in (
        (preprocessing, carried.preprocessing, "preprocessing contract"),
        (labels, carried.labels, "labels"),
    ):
        if given and own and given != own and not override:
            raise BadInputError(
                f"{file.name} carries its own {what}; add --override to use another"
            )
    return Contract(preprocessing or carried.preprocessing, labels or carried.labels)


def _with_contract(file: ModelFile, contract: Contract, override: bool) -> ModelFile:
    """The model with that contract inside; as it is where it carries it already."""
    try:
        if read_contract(file) == contract:
            return file
    except EdgeDeployError:
        if not override:
            raise
    from edge_deploy_converters.metadata import attach

    data = attach(file.data, contract, file.name, file.description)
    return ModelFile(data, file.name)


def _check_same_answers(before: ModelFile, after: ModelFile) -> None:
    """Raise `BundleError` if putting the contract in has changed what the model computes."""
    if before is after:
        return
    one, other = (LoadedModel(f.data, 1, name=f.name) for f in (before, after))
    zeros = [np.zeros(detail["shape"], detail["dtype"]) for detail in one.inputs]
    for a, b in zip(one.run(*zeros), other.run(*zeros), strict=True):
        if a.tobytes() != b.tobytes():
            raise BundleError(
                f"{before.name} answers differently once its contract is inside; convert it with "
                "--preprocess and --labels instead"
            )


def _recipe(model: Path) -> str | None:
    """The recipe's name, if a card lies beside the model."""
    try:
        record = json.loads(model.with_suffix(".json").read_text("utf-8"))
        return str(record["recipe"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
