"""Front end for an existing float `.tflite`: adds a signature and fixes the batch to 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.interpreter import LoadedModel, refusal, runtime
from edge_deploy_runner.tflite.graph import TensorInfo
from edge_deploy_runner.tflite.model_file import ModelFile

from .flatbuffer_model import add_signature, pack, text, unpack
from .frontend_child import LoadedSource, Options, Tensor, main
from .tensorflow_graph import fixed_shape


def load(source: str, options: Options) -> LoadedSource:
    """Check that the model is float and take it as it is."""
    path = Path(source)
    file = ModelFile.open(path)
    quantized = [
        tensor.name
        for tensor in file.graph.tensors
        if tensor.dtype in ("int8", "uint8", "int16", "int4") and tensor.scales
    ]
    if quantized:
        raise BadInputError(
            f"{path.name} is quantized already ({len(quantized)} integer tensors): what its "
            "rounding lost cannot be brought back; convert the float model that it was made from"
        )
    half = [t for t in file.graph.tensors if t.dtype == "float16" and file.is_constant(t)]
    if half:
        raise BadInputError(
            f"{path.name} stores its weights as float16; convert the float32 model it was made from"
        )
    many = len(file.inputs) > 1
    shapes = {t.index: _shape(t, options, many) for t in file.inputs}
    file = _one_signature(file, options)
    data = _fixed(file, shapes)
    prepared = ModelFile(data, path.name)
    keys = prepared.signatures[0].inputs
    inputs = tuple(
        Tensor(name, shapes[index], prepared.graph.tensor(index).dtype)
        for name, index in keys.items()
    )
    order = {tensor.index: n for n, tensor in enumerate(file.inputs)}
    positions = [order[keys[tensor.name]] for tensor in inputs]
    outputs = prepared.signatures[0].outputs
    place = {tensor.index: n for n, tensor in enumerate(file.outputs)}
    answer_order = [place[outputs[name]] for name in sorted(outputs)]
    original = LoadedModel(file.data, name=path.name)
    if any(shapes[t.index] != t.shape for t in file.inputs):
        _resize(original, [shapes[t.index] for t in file.inputs], path.name)
    # A damaged model may take the runtime down: here, where only this child is lost.
    original.run(*(np.zeros(shapes[t.index], t.dtype) for t in file.inputs))

    def run(sample: dict[str, Any]) -> list[Any]:
        values: list[Any] = [None] * len(inputs)
        for tensor, position in zip(inputs, positions, strict=True):
            values[position] = sample[tensor.name]
        answers = original.run(*values)
        return [answers[position] for position in answer_order]

    parameters = sum(
        t.elements for t in file.graph.tensors if t.dtype == "float32" and file.is_constant(t)
    )
    return LoadedSource(
        inputs, parameters, lambda: data, run, {"ai-edge-litert": runtime().version}
    )


def _one_signature(file: ModelFile, options: Options) -> ModelFile:
    """The model with the one signature that is meant; the tools after this one take no more."""
    keys = [signature.key for signature in file.signatures]
    wanted = options.signature or ("serving_default" if len(keys) > 1 else "")
    if wanted and wanted not in keys:
        raise BadInputError(
            f"{file.name} has no signature {wanted!r} (it has: {', '.join(keys) or 'none'}); name "
            "one with --signature"
        )
    chosen = next((s for s in file.signatures if s.key == wanted or not wanted), None)
    if chosen is None:
        return file
    graph = file.graph
    if (
        chosen.subgraph != 0
        or sorted(chosen.inputs.values()) != sorted(graph.inputs)
        or sorted(chosen.outputs.values()) != sorted(graph.outputs)
    ):
        raise BadInputError(
            f"the signature {chosen.key!r} of {file.name} is not its main graph; convert the "
            "source that it was made from with --signature"
        )
    if len(keys) == 1:
        return file
    model = unpack(file.data)
    model.signatureDefs = [s for s in model.signatureDefs if text(s.signatureKey) == chosen.key]
    return ModelFile(pack(model), file.name)


def _shape(tensor: TensorInfo, options: Options, many: bool) -> tuple[int, ...]:
    signature = tensor.shape_signature or tensor.shape
    sizes: list[int | None] = [None if size < 0 else size for size in signature]
    return fixed_shape(sizes, options, tensor.name, many)


def _fixed(file: ModelFile, shapes: dict[int, tuple[int, ...]]) -> bytes:
    """The model with its batch fixed and a signature; unchanged bytes where both are there."""
    changed = (
        any(shapes[t.index] != t.shape or t.is_dynamic for t in file.inputs) or not file.signatures
    )
    if not changed:
        return file.data
    model = unpack(file.data)
    add_signature(model)
    for index, shape in shapes.items():
        model.subgraphs[0].tensors[index].shape = list(shape)
        model.subgraphs[0].tensors[index].shapeSignature = None
    if any(t.is_dynamic for t in file.graph.tensors):
        _infer_shapes(model, file.name)
    return pack(model)


def _resize(loaded: LoadedModel, shapes: list[tuple[int, ...]], name: str) -> None:
    try:
        for detail, shape in zip(loaded.inputs, shapes, strict=True):
            loaded.interpreter.resize_tensor_input(detail["index"], list(shape))
        loaded.interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise BadInputError(refusal(name, error)) from error


def _infer_shapes(model: Any, name: str) -> None:
    """Store the shapes that the runtime finds for the fixed inputs."""
    try:
        loaded = LoadedModel(pack(model), kernels="builtin", name=name)
    except RuntimeError as error:
        raise BadInputError(refusal(name, error)) from error
    for detail in loaded.interpreter.get_tensor_details():
        if detail["index"] < len(model.subgraphs[0].tensors):
            tensor = model.subgraphs[0].tensors[detail["index"]]
            tensor.shape = [int(size) for size in detail["shape"]]
            tensor.shapeSignature = None


if __name__ == "__main__":
    main(load)
