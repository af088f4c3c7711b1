"""What the TensorFlow front ends share: one function with a fixed batch of 1 becomes TFLite."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from edge_deploy_runner.errors import BadInputError, ConversionError

from .frontend_child import LoadedSource, Options, Tensor

_LARGEST_INPUT = 2**26  # values of one input: an image of 4,700 x 4,700 pixels


def fixed_shape(
    shape: Sequence[int | None], options: Options, name: str, many: bool = False
) -> tuple[int, ...]:
    """The input's shape with its batch set to 1; `--input-shape` fills what is open.

    Raises `BadInputError` where a size is still unknown.
    """
    if options.input_shape and not many:
        given = options.input_shape
        fits = len(given) == len(shape) and all(
            size is None or size == given[i] or i == 0 for i, size in enumerate(shape)
        )
        if not fits or given[0] != 1:
            raise BadInputError(
                f"--input-shape {','.join(map(str, given))} does not fit input {name!r} of shape "
                f"{list(shape)}; the batch must be 1"
            )
        if math.prod(given) > _LARGEST_INPUT:
            raise BadInputError(
                f"--input-shape {','.join(map(str, given))} asks for an input of "
                f"{math.prod(given) * 4 / 1e9:.0f} GB; give a smaller one"
            )
        return given
    if len(shape) == 0:
        raise BadInputError(f"input {name!r} is a single number without a batch dimension")
    fixed = (1, *shape[1:])
    if any(size is None for size in fixed):
        raise BadInputError(
            f"input {name!r} has the open shape {list(shape)}; say which size to convert for with "
            "--input-shape 1,HEIGHT,WIDTH,CHANNELS"
        )
    if shape[0] not in (None, 1):
        raise BadInputError(
            f"input {name!r} has a fixed batch of {shape[0]}; save the model with an open batch or "
            "a batch of 1"
        )
    return tuple(int(size or 1) for size in fixed)


def clean_name(name: str) -> str:
    """A tensor's name as a Python and signature argument."""
    return re.sub(r"\W+", "_", name.split(":", maxsplit=1)[0]).strip("_") or "x"


def graph_source(
    function: Callable[..., dict[str, Any]],
    keep: Any,
    inputs: Sequence[Tensor],
    parameters: int,
) -> LoadedSource:
    """A `LoadedSource` from a function of named tensors.

    `keep` is what owns the variables. It is tracked by a `tf.Module`, without which the converter
    leaves the variables outside: the file then holds VAR_HANDLE operators and answers NaN.
    """
    import tensorflow as tf

    names = [tensor.name for tensor in inputs]
    module = tf.Module()
    module.kept = keep

    def call(*tensors: Any) -> dict[str, Any]:
        return function(**dict(zip(names, tensors, strict=True)))

    module.call = tf.function(
        call,
        input_signature=[
            tf.TensorSpec(tensor.shape, tf.as_dtype(tensor.dtype), name=tensor.name)
            for tensor in inputs
        ],
    )
    concrete = _trace(module.call)
    outputs = sorted(concrete.structured_outputs)

    def convert() -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            return bytes(converter.convert())
        except Exception as error:
            raise ConversionError(_converter_sentence(error)) from error

    def run(sample: dict[str, Any]) -> list[Any]:
        answer = concrete(*[tf.constant(sample[name]) for name in names])
        return [answer[name].numpy() for name in outputs]

    import keras

    versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
    return LoadedSource(tuple(inputs), parameters, convert, run, versions)


def _trace(function: Any) -> Any:
    try:
        return function.get_concrete_function()
    # Tracing runs the source's own layers, which may raise anything.
    except Exception as error:
        # Keras wraps its sentence into the stack of its own code.
        text = " ".join(str(error).rsplit("Error: ", maxsplit=1)[-1].split())
        raise ConversionError(
            f"the model cannot be called with its own input: {text[:300]}"
        ) from error


def _converter_sentence(error: Exception) -> str:
    text = str(error)
    flex = re.search(r"TF Select ops?: ([^\n]+)", text)
    custom = re.search(r"Custom ops?: ([^\n]+)", text)
    needed = [match.group(1).strip() for match in (flex, custom) if match]
    if needed:
        return (
            f"the model needs operators that TFLite does not have ({', '.join(needed)[:200]}); "
            "replace those layers, no Python or phone runtime could run them"
        )
    return f"TensorFlow's converter failed: {' '.join(text.split())[:300]}"


def as_outputs(value: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """The outputs of a model by name, whatever structure it returned."""
    if isinstance(value, dict):
        return {clean_name(str(name)): tensor for name, tensor in value.items()}
    if isinstance(value, list | tuple):
        labels = (
            list(names) if len(names) == len(value) else [f"output_{i}" for i in range(len(value))]
        )
        return {clean_name(label): tensor for label, tensor in zip(labels, value, strict=True)}
    return {clean_name(names[0]) if len(names) == 1 else "output": value}
