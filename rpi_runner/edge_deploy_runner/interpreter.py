"""The TFLite runtime: which one answers, and one loaded model with its tensors."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from .errors import BadInputError, DeviceError, UsageError
from .preprocessing import InputSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The maintained runtime first; tflite_runtime is the only one with wheels for 32-bit Pis.
_RUNTIMES = (
    ("ai_edge_litert", "ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime", "tflite_runtime.interpreter", "tflite-runtime"),
)
KERNELS = ("xnnpack", "builtin", "reference")


class Runtime(NamedTuple):
    """The runtime that answered, by import name, and its version."""

    name: str
    version: str


@lru_cache(maxsize=1)
def _load_runtime() -> tuple[str, str, Any]:
    """The runtime's import name, the name of its distribution, and the module."""
    reasons = []
    for name, module_name, distribution in _RUNTIMES:
        try:
            module = importlib.import_module(module_name)
        # A runtime built for another numpy raises SystemError or AttributeError here.
        except Exception as error:
            reasons.append(f"{name}: {error}")
            continue
        return name, distribution, module
    raise DeviceError(
        "no TFLite runtime can be imported; install ai-edge-litert (" + "; ".join(reasons) + ")"
    )


def runtime() -> Runtime:
    """The runtime in use: ai_edge_litert, else tflite_runtime; `DeviceError` if there is none."""
    # Looked up when it is asked for: it costs as much as a tenth of a cold `run`.
    from importlib.metadata import PackageNotFoundError, version

    name, distribution, module = _load_runtime()
    try:
        return Runtime(name, version(distribution))
    except PackageNotFoundError:
        return Runtime(name, str(getattr(module, "__version__", "unknown")))


def default_threads() -> int:
    """As many threads as this process may use cores, but at most four."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(4, usable or 1))


def _scratch_file() -> BinaryIO:
    """A file that is gone when it is closed, on Linux without a disk."""
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("edge-deploy"), "w+b")
    import tempfile  # costs 5 ms of a cold `run`

    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    return file


@contextlib.contextmanager
def quiet_native_output() -> Iterator[list[str]]:
    """Collect what native libraries write to stderr; shown again only if the block fails."""
    lines: list[str] = []
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all
        yield lines
        return
    with _scratch_file() as file:
        sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            lines.extend(file.read().decode("utf-8", "replace").splitlines())


class LoadedModel:
    """One model in the runtime, allocated and ready.

    `source` is a path or the model's bytes. `kernels`: "xnnpack" (the default, fast),
    "builtin" (TFLite's own), or "reference" (slow, the same on every machine).
    Raises `BadInputError` where the runtime refuses the model.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        threads: int | None = None,
        kernels: str = "xnnpack",
        name: str = "",
    ) -> None:
        self.name = name or ("the model" if isinstance(source, bytes) else Path(source).name)
        self.threads = threads or default_threads()
        self.kernels = kernels
        self.interpreter = self._open(source)
        with quiet_native_output() as log:
            try:
                self.interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                raise BadInputError(refusal(self.name, error)) from error
        self.log = tuple(log)
        self.inputs: list[dict[str, Any]] = self.interpreter.get_input_details()
        self.outputs: list[dict[str, Any]] = self.interpreter.get_output_details()

    def _open(self, source: str | os.PathLike[str] | bytes) -> Any:
        _, _, module = _load_runtime()
        resolver = {
            "xnnpack": module.OpResolverType.AUTO,
            "builtin": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            "reference": module.OpResolverType.BUILTIN_REF,
        }.get(self.kernels)
        if resolver is None:
            raise UsageError(f"unknown kernels {self.kernels!r}; use one of {', '.join(KERNELS)}")
        where = (
            {"model_content": source}
            if isinstance(source, bytes)
            else {"model_path": os.fspath(source)}
        )
        with quiet_native_output():
            try:
                return module.Interpreter(
                    **where,
                    num_threads=self.threads,
                    experimental_op_resolver_type=resolver,
                )
            except (RuntimeError, ValueError) as error:
                raise BadInputError(refusal(self.name, error)) from error

    def run(self, *tensors: NDArray[Any]) -> list[NDArray[Any]]:
        """Set the inputs in order, invoke, and return copies of the outputs."""
        interpreter = self.interpreter
        try:
            for detail, tensor in zip(self.inputs, tensors, strict=True):
                interpreter.set_tensor(detail["index"], tensor)
            interpreter.invoke()
            return [interpreter.get_tensor(detail["index"]) for detail in self.outputs]
        except (RuntimeError, ValueError) as error:
            raise BadInputError(refusal(self.name, error)) from error

    def delegated_share(self) -> tuple[str, float]:
        """Which delegate runs the graph, and the share of its operators that it took (0 to 1)."""
        details = getattr(self.interpreter, "_get_ops_details", None)
        if details is None:
            return "unknown", 0.0
        listed = details()
        replaced = [op for op in listed if op["op_name"] == "DELEGATE"]
        if not replaced:
            return "none", 0.0
        # The plan lists original operators first and appends one DELEGATE node a partition; the
        # operators that a partition swallowed are those whose outputs it, or nothing, produces.
        plain = [op for op in listed if op["op_name"] != "DELEGATE"]
        outputs = {int(t) for op in replaced for t in op["outputs"]}
        swallowed = _covered(plain, replaced, outputs)
        return "XNNPACK", swallowed / max(1, len(plain))


def _covered(plain: list[dict[str, Any]], replaced: list[dict[str, Any]], outputs: set[int]) -> int:
    """How many operators lie between the inputs and outputs of the delegate's partitions."""
    producers = {int(t): op for op in plain for t in op["outputs"]}
    boundary = {int(t) for op in replaced for t in op["inputs"]}
    seen: set[int] = set()
    stack = list(outputs)
    while stack:
        op = producers.get(stack.pop())
        if op is None or int(op["index"]) in seen:
            continue
        seen.add(int(op["index"]))
        stack.extend(int(t) for t in op["inputs"] if int(t) not in boundary)
    return len(seen)


def refusal(name: str, error: Exception) -> str:
    """One sentence for what the runtime says when it refuses a model."""
    # The runtime adds links and node numbers that say nothing about what to do here.
    text = " ".join(str(error).split()).split(" See instructions")[0].rstrip(". ")
    if "custom op" in text.lower() or "Flex" in text or "Select TensorFlow op" in text:
        return (
            f"{name} needs operators that the TFLite runtime does not have ({text[:160]}); "
            "`edge-deploy inspect` lists them: convert without them"
        )
    return f"the TFLite runtime refuses {name}: {text[:200]}; check it with `edge-deploy inspect`"


def input_spec(detail: dict[str, Any], name: str, layout: str = "NHWC") -> InputSpec:
    """The image input that a runtime's input detail describes.

    Raises `BadInputError` unless it is one image: rank 4, batch 1, 1 or 3 channels.
    """
    shape = tuple(int(size) for size in detail["shape"])
    dtype = np.dtype(detail["dtype"]).name
    channels = shape[1 if layout == "NCHW" else 3] if len(shape) == 4 else 0
    if len(shape) != 4 or shape[0] != 1 or channels not in (1, 3):
        raise BadInputError(
            f"{name} takes an input of shape {list(shape)}, which is not one photo; photos need "
            "[1, height, width, 1 or 3]"
        )
    if dtype not in ("float32", "int8", "uint8", "int16"):
        raise BadInputError(
            f"{name} takes {dtype} input; photos go into float32, int8, uint8 or int16"
        )
    scale, zero_point = detail["quantization"]
    return InputSpec(shape, dtype, float(scale), int(zero_point), layout)


def dequantize(values: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    """Real values of an output tensor; floats are returned as they are."""
    scale, zero_point = detail["quantization"]
    if values.dtype.kind == "f" or not scale:
        return values.astype(np.float32, copy=False)
    real: NDArray[np.float32] = (values.astype(np.float32) - np.float32(zero_point)) * np.float32(
        scale
    )
    return real
