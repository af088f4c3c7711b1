"""A Keras model in memory, of Keras 3 or tf_keras, as a source."""

from __future__ import annotations

from typing import Any

from edge_deploy_runner.errors import BadInputError

from .frontend_child import LoadedSource, Options, Tensor
from .tensorflow_graph import as_outputs, clean_name, fixed_shape, graph_source


def keras_source(model: Any, options: Options) -> LoadedSource:
    """A `LoadedSource` from a Keras model object."""
    tensors = list(getattr(model, "inputs", None) or [])
    if not tensors:
        raise BadInputError(
            "the Keras model has never been built, so its input is unknown; save it after calling "
            "it once, or as a SavedModel with a signature"
        )
    inputs = []
    for i, tensor in enumerate(tensors):
        label = str(getattr(tensor, "name", "") or f"input_{i}")
        dtype = getattr(tensor.dtype, "name", None) or str(tensor.dtype)
        shape = fixed_shape(tuple(tensor.shape), options, label, many=len(tensors) > 1)
        inputs.append(Tensor(clean_name(label), shape, dtype))
    if len({tensor.name for tensor in inputs}) != len(inputs):
        inputs = [Tensor(f"input_{i}", t.shape, t.dtype) for i, t in enumerate(inputs)]
    names = [str(getattr(o, "name", "")) for o in getattr(model, "outputs", [])]
    names = [name for name in getattr(model, "output_names", names) if name]

    def call(**values: Any) -> dict[str, Any]:
        ordered = list(values.values())
        return as_outputs(
            model(ordered[0] if len(ordered) == 1 else ordered, training=False), names
        )

    # Keras 3 variables wrap the tf.Variable that the converter has to find.
    variables = [getattr(variable, "value", variable) for variable in model.variables]
    variables = [v() if callable(v) else v for v in variables]
    keep = [model, variables] if hasattr(model, "_tf_trackable_method") else variables
    return graph_source(call, keep, inputs, int(model.count_params()))
