"""TFLite models inside an archive: found by their names and by their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from edge_deploy_runner.contract import read_contract
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.tflite.graph import TensorInfo
from edge_deploy_runner.tflite.model_file import ModelFile

from .zip_reader import Archive, Entry

LARGEST_PARSED_MODEL = 256 * 2**20
_LARGEST_CONTRACT = 2**20
_SUFFIXES = (".tflite", ".lite")
_GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class PackedModel:
    """A model in an archive.

    `stored_in_app` is whether it is stored, not compressed, in the installed app: for a bundle its
    configuration decides that, for an AAR the app that uses it (None). `fault` is why the bytes are
    no readable model. `contract_file` is the `contract.json` beside it that names it, and
    `contract_agrees` whether that names this very content; `labels` counts those inside the model,
    `labels_file` is the `labels.txt` beside it.
    """

    path: str
    size_bytes: int
    packed_bytes: int
    sha256: str
    stored: bool
    stored_in_app: bool | None
    offset: int
    alignment: int
    marked: bool
    fault: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flex_ops: tuple[str, ...]
    custom_ops: tuple[str, ...]
    preprocessing: bool
    labels: int
    labels_file: str | None
    contract_file: str | None
    contract_agrees: bool | None


def find_models(archive: Archive) -> list[Entry]:
    """The entries that are models by name, or by TFLite's mark under any other name."""
    return [
        entry
        for entry in archive.entries
        if entry.size_bytes and not entry.is_folder
        if entry.name.lower().endswith(_SUFFIXES) or archive.start(entry, 8)[4:8] == b"TFL3"
    ]


def describe_model(archive: Archive, entry: Entry, stored_in_app: bool | None) -> PackedModel:
    """Read one model and say what it is; `BadInputError` where the archive is damaged there."""
    digest = hashlib.sha256()
    pieces: list[bytes] | None = [] if entry.size_bytes <= LARGEST_PARSED_MODEL else None
    for piece in archive.chunks(entry):
        digest.update(piece)
        if pieces is not None:
            pieces.append(piece)
    marked = archive.start(entry, 8)[4:8] == b"TFL3"
    name = entry.name.rpartition("/")[2]
    model, fault = None, None
    if pieces is None:
        fault = "it is larger than the 256 MiB that are looked into"
    elif pieces[0].startswith(_GIT_LFS):
        fault = "it is a Git LFS pointer, not the model itself"
    elif not marked:
        fault = "it has no TFL3 mark"
    else:
        try:
            model = ModelFile(b"".join(pieces), name)
        except BadInputError as error:
            fault = str(error).removeprefix(f"{name} is damaged: ").partition("; ")[0]
    flex: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    preprocessing, labels = False, 0
    if model is not None:
        operators = [op for graph in model.subgraphs for op in graph.operators]
        flex = tuple(sorted({op.custom for op in operators if op.is_flex}))
        custom = tuple(sorted({op.custom for op in operators if op.custom and not op.is_flex}))
        try:
            contract = read_contract(model)
            preprocessing, labels = contract.preprocessing is not None, len(contract.labels)
        except BadInputError as error:
            fault = str(error)
    labels_file = f"{entry.name.rpartition('/')[0]}/labels.txt".lstrip("/")
    contract_file, agrees = _contract_beside(archive, entry, digest.hexdigest())
    return PackedModel(
        path=entry.name,
        size_bytes=entry.size_bytes,
        packed_bytes=entry.packed_bytes,
        sha256=digest.hexdigest(),
        stored=entry.stored,
        stored_in_app=stored_in_app,
        offset=entry.data_offset,
        alignment=entry.alignment,
        marked=marked,
        fault=fault,
        inputs=_tensors(model.inputs) if model else (),
        outputs=_tensors(model.outputs) if model else (),
        flex_ops=flex,
        custom_ops=custom,
        preprocessing=preprocessing,
        labels=labels,
        labels_file=labels_file if labels_file in archive.by_name else None,
        contract_file=contract_file,
        contract_agrees=agrees,
    )


def _tensors(tensors: tuple[TensorInfo, ...]) -> tuple[str, ...]:
    return tuple(
        f"{t.dtype} {'x'.join(map(str, t.shape_signature or t.shape)) or 'scalar'}" for t in tensors
    )


def _contract_beside(archive: Archive, model: Entry, sha256: str) -> tuple[str | None, bool | None]:
    """The `contract.json` in the model's folder that is about it, and whether it names its bytes.

    One that cannot be read, or is another program's, counts as not there.
    """
    folder, _, name = model.name.rpartition("/")
    entry = archive.by_name.get(f"{folder}/contract.json" if folder else "contract.json")
    if entry is None or entry.size_bytes > _LARGEST_CONTRACT:
        return None, None
    try:
        record = json.loads(archive.read(entry, _LARGEST_CONTRACT))
        about = record["model"]
        if about["file"].rpartition("/")[2] != name:
            return None, None
        return entry.name, about["sha256"] == sha256
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, None
