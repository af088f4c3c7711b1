"""What is known of old runtimes: kernels that answer wrongly without a word."""

from __future__ import annotations

from edge_deploy_runner.tflite.model_file import ModelFile

from .archives.native_libraries import version_in
from .runtime_library import RuntimeFiles

# The first that takes a fully connected layer's scale for each channel. 2.7.0, 2.8.0 and 2.9.1 were
# seen to take one for all, with XNNPACK and without; 2.10.0 to 2.14.0 to be right (desktop x86-64).
_FIRST_RIGHT = (2, 10)
# LiteRT counts from 1.0 again, and had 2.16's kernels then.
_LAST_OF_LITERT_1 = (1, 4)


def runtime_caveats(model: ModelFile, runtime: RuntimeFiles) -> tuple[str, ...]:
    """Warnings about a runtime that is too old for what is in a model."""
    if runtime.kind != "tflite":
        return ()
    return caveats_of(model, runtime.library.source, version_in(runtime.library.file.path))


def caveats_of(model: ModelFile, source: str, version: str | None) -> tuple[str, ...]:
    """The same for the version that is in a library's bytes; None, an unknown one, passes."""
    if version is None:
        return ()
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if not _LAST_OF_LITERT_1 < numbers < _FIRST_RIGHT or not _has_dense_channels(model):
        return ()
    return (
        f"{source} has TensorFlow Lite {version}, which takes one scale for all channels of a "
        f"quantized fully connected layer, and {model.name} has a scale for each: its answers are "
        "wrong there without a word (2.7 to 2.9 were seen to be, 2.10 and later right); ship a "
        "later runtime",
    )


def _has_dense_channels(model: ModelFile) -> bool:
    """Whether a fully connected layer with 8-bit inputs has a scale for each channel."""
    return any(
        len(graph.tensors[operator.inputs[1]].scales) > 1
        and graph.tensors[operator.inputs[0]].dtype in ("int8", "uint8")
        for graph in model.subgraphs
        for operator in graph.operators
        if operator.kind == "FULLY_CONNECTED" and min(operator.inputs[:2], default=-1) >= 0
    )
