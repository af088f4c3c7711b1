"""What a `.tflite` file is: parsed without running it, then opened in a child process.

An APK, AAB or AAR is read by `edge_deploy_android.archives`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_deploy_runner.contract import Contract, Preprocessing, read_contract
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.photo_model import check_card
from edge_deploy_runner.tflite.graph import Subgraph, TensorInfo
from edge_deploy_runner.tflite.graph_cost import (
    UNCOUNTED_KINDS,
    Island,
    count_macs,
    count_parameters,
    estimate_arena,
    float_islands,
    integer_share,
)  # fmt: skip
from edge_deploy_runner.tflite.model_file import ModelFile

if TYPE_CHECKING:
    from edge_deploy_android.archives.archive_inspection import ArchiveInspection

_NAME_ONE = "name a .tflite, .apk, .aab or .aar file"
ANDROID_SUFFIXES = ("apk", "aab", "aar")
_MODEL_SUFFIXES = ("tflite", "lite")
_CHILD_SECONDS = 30.0
_PASS_THROUGH = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "CAST")


@dataclass(frozen=True)
class TensorSpec:
    """An input or output; -1 stands for an open dimension. No scale where not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class RuntimeReport:
    """What the TFLite runtime did with the model, in a child process: open it, run it on zeros."""

    opens: bool
    runs: bool = False
    finite: bool | None = None
    reason: str | None = None
    name: str | None = None
    version: str | None = None
    delegate: str | None = None
    operator_share: float | None = None


@dataclass(frozen=True)
class Inspection:
    """All that can be said of a model; a figure that cannot be known is `None` with its reason."""

    path: str
    size_bytes: int
    sha256: str
    description: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    signatures: dict[str, dict[str, list[str]]]
    operators: dict[str, int]
    macs: int | None
    macs_reason: str
    parameters: int
    integer_share: float
    float_islands: tuple[Island, ...]
    flex_ops: tuple[str, ...]
    custom_ops: tuple[str, ...]
    variables: int
    arena_bytes: int | None
    arena_reason: str
    runtime: RuntimeReport
    preprocessing: Preprocessing | None
    labels: tuple[str, ...]
    metadata: tuple[str, ...]
    associated_files: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        record = asdict(self)
        record["preprocessing"] = self.preprocessing.to_json() if self.preprocessing else None
        record["macs_reason"] = self.macs_reason or None
        record["arena_reason"] = self.arena_reason or None
        position = list(record).index("runtime")
        items = list(record.items())
        items.insert(position, ("delegates", self.delegates()))
        return dict(items)

    def delegates(self) -> list[dict[str, Any]]:
        """XNNPACK, whether the runtime used it, for which share of the operators, or why not."""
        runtime = self.runtime
        reason = runtime.reason
        if runtime.opens and runtime.delegate != "XNNPACK":
            reason = "the runtime took no operator of this model onto it"
        used = runtime.delegate == "XNNPACK"
        share = runtime.operator_share if used else (0.0 if runtime.opens else None)
        return [{"name": "XNNPACK", "used": used, "operator_share": share, "reason": reason}]


def inspect(path: str | os.PathLike[str]) -> Inspection | ArchiveInspection:
    """Say what the model, or the APK, AAB or AAR, at a path is.

    A file is taken for an archive where it is named as one, or is one by its content and not named
    `.tflite`. Raises `BadInputError` as `inspect_model` and `inspect_archive` do.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix in ANDROID_SUFFIXES:
        from edge_deploy_android.archives.inspecting import inspect_archive

        return inspect_archive(path)
    if _is_zip(path):
        from edge_deploy_android.archives.inspecting import archive_kind, inspect_archive

        kind = archive_kind(path)
        if kind and suffix in _MODEL_SUFFIXES:
            raise BadInputError(f"{path} is an {kind.upper()} by its content; name it .{kind}")
        if kind:
            return inspect_archive(path)
        if suffix == "zip":
            raise BadInputError(f"{path} is a zip, but no APK, AAB or AAR; {_NAME_ONE}")
    try:
        return inspect_model(path)
    except BadInputError as error:
        # What runs models wants a .tflite file; this command describes archives as well.
        said = str(error).replace(", not a .tflite file; name the file in it", f"; {_NAME_ONE}")
        raise type(error)(said.replace("name a .tflite file", _NAME_ONE)) from None


def _is_zip(path: str | os.PathLike[str]) -> bool:
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(4) == b"PK\3\4"
    except (OSError, ValueError):
        return False


def inspect_model(model: str | os.PathLike[str]) -> Inspection:
    """Say what the model at a path is.

    Raises `BadInputError` where the bytes are no readable model. One that the runtime refuses,
    or that crashes it, is described all the same: `runtime` says so.
    """
    path = Path(model)
    file = ModelFile.open(path)
    warnings = []
    try:
        contract = read_contract(file)
    except BadInputError as error:
        contract = Contract()
        warnings.append(str(error))
    try:
        check_card(file, path)
    except BadInputError as error:
        warnings.append(str(error))
    (runtime,) = probe_models([path])
    graph = file.graph
    macs, macs_reason = count_macs(graph)
    arena_bytes, arena_reason = estimate_arena(file)
    everything = [op for subgraph in file.subgraphs for op in subgraph.operators]
    kinds = Counter(op.custom or op.kind for op in everything)
    flex_ops = tuple(sorted({op.custom for op in everything if op.is_flex}))
    custom_ops = tuple(sorted({op.custom for op in everything if op.custom and not op.is_flex}))
    variables = sum(op.kind == "VAR_HANDLE" for op in everything)
    islands = float_islands(graph)
    found = Inspection(
        path=str(path),
        size_bytes=len(file.data),
        sha256=file.sha256,
        description=file.description,
        inputs=tuple(_spec(tensor) for tensor in file.inputs),
        outputs=tuple(_spec(tensor) for tensor in file.outputs),
        signatures={
            s.key: {"inputs": list(s.inputs), "outputs": list(s.outputs)} for s in file.signatures
        },
        operators=dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
        macs=macs,
        macs_reason=macs_reason,
        parameters=count_parameters(file),
        integer_share=integer_share(graph),
        float_islands=islands,
        flex_ops=flex_ops,
        custom_ops=custom_ops,
        variables=variables,
        arena_bytes=arena_bytes,
        arena_reason=arena_reason,
        runtime=runtime,
        preprocessing=contract.preprocessing,
        labels=contract.labels,
        metadata=tuple(file.metadata),
        associated_files=_packed_files(file, warnings),
        warnings=(),
    )
    warnings = [*_warnings(found, file), *warnings]
    return Inspection(**{**_fields(found), "warnings": tuple(warnings)})


def _fields(found: Inspection) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def _packed_files(file: ModelFile, warnings: list[str]) -> tuple[str, ...]:
    try:
        return tuple(file.associated_files)
    except BadInputError as error:
        if str(error) not in " ".join(warnings):
            warnings.append(str(error))
        return ()


def _spec(tensor: TensorInfo) -> TensorSpec:
    scale = tensor.scales[0] if tensor.scales and math.isfinite(tensor.scales[0]) else None
    zero_point = tensor.zero_points[0] if tensor.zero_points else None
    shape = tensor.shape_signature or tensor.shape
    return TensorSpec(tensor.name, shape, tensor.dtype, scale, zero_point)


def _warnings(found: Inspection, file: ModelFile) -> list[str]:
    """What the owner of the model should know before it goes onto a device."""
    graph = file.graph
    said = []
    if file.description.startswith("UNPROVEN:"):
        said.append("failed a proof when it was converted, as its card says: do not ship it")
    if found.flex_ops:
        said.append(
            f"needs TensorFlow operators ({', '.join(found.flex_ops)}) that no TFLite runtime for "
            "Python has: convert without them"
        )
    if found.custom_ops:
        said.append(f"needs custom operators ({', '.join(found.custom_ops)}) of its own runtime")
    if found.variables:
        said.append(
            f"keeps its weights in {found.variables} VAR_HANDLE operators, the mark of a failed "
            "conversion whose answers are NaN"
        )
    if not found.runtime.opens:
        said.append(f"does not open: {found.runtime.reason}")
    elif not found.runtime.runs:
        said.append(f"opens but does not run: {found.runtime.reason}")
    elif found.runtime.finite is False:
        said.append("answers NaN or infinity to an input of zeros")
    if _has_integer(graph, "HARD_SWISH"):
        said.append(
            "HARD_SWISH in int8 falls off XNNPACK: it can be slower than the float model; measure"
        )
    if any(tensor.dtype == "int16" for tensor in graph.tensors):
        said.append("int16 activations run on slow kernels, some 30 times slower; measure")
    if found.float_islands:
        kinds = ", ".join(sorted({island.kind for island in found.float_islands}))
        said.append(f"{len(found.float_islands)} operators compute in float in it ({kinds})")
    uncounted = sorted(UNCOUNTED_KINDS & {op.kind for op in graph.operators})
    if uncounted:
        said.append(f"MACs are not counted for {', '.join(uncounted)}")
    if len(found.inputs) != 1:
        said.append(f"has {len(found.inputs)} inputs: a photo classifier has one")
    if any(tensor.is_dynamic for tensor in file.inputs):
        said.append("an input has an open dimension: figures are for a batch of 1")
    if not found.signatures:
        said.append("has no signature: calibration and some runtimes need one")
    said.extend(_contract_warnings(found, file))
    return said


def _contract_warnings(found: Inspection, file: ModelFile) -> list[str]:
    said = []
    if found.preprocessing is None:
        said.append("carries no preprocessing contract: name one with --preprocess")
    elif len(found.inputs) == 1 and found.inputs[0].scale:
        low, high = found.preprocessing.input_range()
        codes = {"int8": 255, "uint8": 255, "int16": 65535}.get(found.inputs[0].dtype)
        scale = (high - low) / codes if codes else found.inputs[0].scale
        if not math.isclose(scale, found.inputs[0].scale, rel_tol=0.01):
            said.append(
                f"its input's scale is {found.inputs[0].scale:.6g}, but its contract makes "
                f"{scale:.6g}: codes are wasted or clipped"
            )
    width = found.outputs[0].shape[-1] if found.outputs and found.outputs[0].shape else 0
    if not found.labels:
        said.append("carries no labels: give them with --labels")
    elif len(found.labels) != width:
        background = found.preprocessing is not None and found.preprocessing.background_class
        if not (background and len(found.labels) == width - 1):
            said.append(f"carries {len(found.labels)} labels for {width} outputs")
    if not _ends_in_softmax(file.graph):
        said.append("does not end in a softmax: its scores are no probabilities")
    return said


def _has_integer(graph: Subgraph, kind: str) -> bool:
    return any(
        op.kind == kind and op.outputs and graph.tensor(op.outputs[0]).dtype in ("int8", "uint8")
        for op in graph.operators
    )


def _ends_in_softmax(graph: Subgraph) -> bool:
    producers = {index: op for op in graph.operators for index in op.outputs}
    wanted = graph.outputs[0] if graph.outputs else None
    for _ in graph.operators:  # bounded: a damaged graph may run in circles
        operator = producers.get(wanted) if wanted is not None else None
        if operator is None:
            return False
        if operator.kind in ("SOFTMAX", "LOGISTIC"):
            return True
        if operator.kind not in _PASS_THROUGH or not operator.inputs:
            return False
        wanted = operator.inputs[0]
    return False


def probe_models(
    paths: Sequence[str | os.PathLike[str]],
    seconds: float = _CHILD_SECONDS,
) -> list[RuntimeReport]:
    """Open models with the runtime, in a child process that they may crash or hang.

    A child goes on with the next model as long as it lives; `seconds` bounds its whole life.
    """
    reports: list[RuntimeReport] = []
    while len(reports) < len(paths):
        rest = [os.path.abspath(path) for path in paths[len(reports) :]]  # noqa: PTH100
        command = [sys.executable, "-m", "edge_deploy.inspection_child", *rest]
        # PYTHONSAFEPATH: a numpy.py in the user's folder is not ours to import.
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        try:
            child = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=seconds, env=environment,
            )  # fmt: skip
            output, reason = child.stdout, death(child.returncode)
        except subprocess.TimeoutExpired as error:
            output, reason = error.stdout or b"", f"no answer within {seconds:.0f} s"
        lines = output.decode("utf-8", "replace").splitlines()
        answers = [json.loads(line) for line in lines if line.startswith("{")]
        reports += [RuntimeReport(**answer) for answer in answers[: len(rest)]]
        if len(answers) < len(rest):
            started = any(line.isdigit() for line in lines)
            reports.append(
                RuntimeReport(
                    opens=False,
                    reason=reason if started else f"the child process did not start: {reason}",
                )
            )
    return reports


def death(code: int) -> str:
    """How a child process that ran the TFLite runtime ended."""
    if code >= 0:
        return f"the TFLite runtime ended its process with exit code {code}"
    import signal

    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the TFLite runtime crashed on it ({name})"
