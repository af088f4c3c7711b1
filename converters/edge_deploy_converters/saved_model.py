"""Front end for SavedModel folders: Keras 3's export, tf_keras, and plain TF2 with a signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

from .frontend_child import LoadedSource, Options, Tensor, main
from .graph_safety import refuse_outside_operators
from .tensorflow_graph import as_outputs, clean_name, fixed_shape, graph_source


def load(source: str, options: Options) -> LoadedSource:
    """Load a serving signature: `serving_default` unless `--signature` names another."""
    import tensorflow as tf

    path = Path(source)
    if not options.trust_source:
        refuse_outside_operators(_graphs(path), path, loader=True)
    try:
        loaded = tf.saved_model.load(str(path))
    # A damaged SavedModel fails anywhere in TensorFlow's loader.
    except Exception as error:
        text = " ".join(str(error).split())
        raise BadInputError(
            f"TensorFlow cannot load the SavedModel {path.name}: {text[:300]}"
        ) from error
    signature = _choose(loaded, options, path)
    if not options.trust_source:
        refuse_outside_operators([signature.graph.as_graph_def()], path)
    _, keywords = signature.structured_input_signature
    inputs, names = [], {}
    for name, spec in sorted(keywords.items()):
        if spec.shape.rank is None:
            raise BadInputError(
                f"input {name!r} of {path.name} has no known rank; save it with one"
            )
        shape = fixed_shape(tuple(spec.shape.as_list()), options, name, many=len(keywords) > 1)
        inputs.append(Tensor(clean_name(name), shape, spec.dtype.name))
        names[clean_name(name)] = name

    def call(**values: Any) -> dict[str, Any]:
        return as_outputs(signature(**{names[name]: value for name, value in values.items()}))

    parameters = sum(int(v.shape.num_elements() or 0) for v in signature.variables)
    return graph_source(call, loaded, inputs, parameters)


def _graphs(path: Path) -> list[Any]:
    """The graphs in a SavedModel, parsed and not loaded."""
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        found.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:
        raise BadInputError(
            f"{path.name} is damaged, TensorFlow cannot load it: {error}"
        ) from error
    return [meta.graph_def for meta in found.meta_graphs]


def _choose(loaded: Any, options: Options, path: Path) -> Any:
    signatures = dict(getattr(loaded, "signatures", {}))
    wanted = options.signature or "serving_default"
    if wanted not in signatures and not options.signature and len(signatures) == 1:
        return next(iter(signatures.values()))
    if wanted not in signatures:
        have = ", ".join(signatures) or "none"
        raise BadInputError(
            f"the SavedModel {path.name} has no signature {wanted!r} (it has: {have}); name one "
            "with --signature, or save it with signatures="
        )
    return signatures[wanted]


if __name__ == "__main__":
    main(load)
