"""Front end for `.keras` files, and for pickled Keras models where the user trusts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

from .frontend_child import LoadedSource, Options, main, refuse_full_disk
from .keras_graph import keras_source
from .keras_safety import is_pickle, read_keras_config, refuse_code
from .keras_versions import cannot_load, keras_version_of


def load(source: str, options: Options) -> LoadedSource:
    """Load a `.keras` file with Keras 3; code in it is refused unless the source is trusted."""
    path = Path(source)
    if is_pickle(path):
        return keras_source(_unpickle(path, options), options)
    config = read_keras_config(path)
    if not options.trust_source:
        refuse_code(config, path)
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=not options.trust_source)
    # Keras raises what its layers raise: TypeError, ValueError, KeyError, OSError, ...
    except Exception as error:
        refuse_full_disk(error)
        saved_with = keras_version_of(path)
        raise cannot_load(path, error, saved_with, keras.__version__) from error
    return keras_source(model, options)


def _unpickle(path: Path, options: Options) -> Any:
    if not options.trust_source:
        raise BadInputError(
            f"{path.name} is a Python pickle, which runs code when it is loaded; save the model "
            "with model.save(), or add --trust-source if you trust where it comes from"
        )
    import pickle

    import keras

    try:
        model = pickle.loads(path.read_bytes())
    except Exception as error:
        raise BadInputError(f"{path.name} cannot be unpickled: {error}") from error
    if not isinstance(model, keras.Model):
        raise BadInputError(f"{path.name} holds a {type(model).__name__}, not a Keras model")
    return model


if __name__ == "__main__":
    main(load)
