"""Front end for `.h5` files: Keras 3's, and legacy ones by tf_keras."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

from .frontend_child import LoadedSource, Options, main, refuse_full_disk
from .keras_graph import keras_source
from .keras_safety import parse_config, refuse_code
from .keras_versions import cannot_load


def load(source: str, options: Options) -> LoadedSource:
    """Load a whole model from `.h5` with the Keras that wrote it."""
    path = Path(source)
    config, version = _read_header(path)
    if not options.trust_source:
        refuse_code(config, path)
    is_keras3 = version.startswith("3")
    loader = _load_keras3 if is_keras3 else _load_tf_keras
    try:
        model = loader(path, options.trust_source)
    # Keras raises what its layers raise: TypeError, ValueError, KeyError, OSError, ...
    except Exception as error:
        refuse_full_disk(error)
        keras = sys.modules.get("keras" if is_keras3 else "tf_keras")
        here = str(getattr(keras, "__version__", ""))
        raise cannot_load(path, error, version, here) from error
    return keras_source(model, options)


def _read_header(path: Path) -> tuple[Any, str]:
    """The model's configuration and the version of the Keras that wrote it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            raw = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", b"")
    # h5py raises OSError, RuntimeError, KeyError, TypeError, ... on damaged files.
    except Exception as error:
        text = " ".join(str(error).split())
        raise BadInputError(
            f"{path.name} is damaged, not an HDF5 file: {text[:200]}; save it again"
        ) from error
    if raw is None:
        raise BadInputError(
            f"{path.name} holds weights but no model; save the whole model with model.save()"
        )
    return parse_config(raw if isinstance(raw, bytes) else str(raw), path), _text(version)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _load_keras3(path: Path, trust: bool) -> Any:
    import keras

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
        """Takes the `groups: 1` that some files carry and Keras 3 refuses."""

        def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
            if groups != 1:
                raise ValueError(f"DepthwiseConv2D with groups={groups} is not supported")
            super().__init__(*args, **kwargs)

    return keras.models.load_model(
        path,
        compile=False,
        safe_mode=not trust,
        custom_objects={"DepthwiseConv2D": DepthwiseConv2D},
    )


def _load_tf_keras(path: Path, trust: bool) -> Any:
    import tf_keras

    return tf_keras.models.load_model(path, compile=False, safe_mode=not trust)


if __name__ == "__main__":
    main(load)
