"""Front end for `keras:NAME`: a network of keras.applications with its ImageNet weights.

Keras fetches the weights from its own server (or its cache); that is the user's request.
"""

from __future__ import annotations

from typing import Any

from edge_deploy_runner.errors import ConversionError, UsageError

from .frontend_child import LoadedSource, Options, main
from .keras_graph import keras_source

# The preprocessing that keras.applications documents for each family.
PRESETS = {
    "MobileNetV3": "raw-0-255",
    "MobileNet": "mobilenet",
    "EfficientNet": "raw-0-255",
    "InceptionResNet": "mobilenet",
    "Inception": "mobilenet",
    "Xception": "mobilenet",
    "NASNet": "mobilenet",
    "ConvNeXt": "raw-0-255",
    "VGG": "imagenet-caffe",
    "ResNet50": "imagenet-caffe",
    "ResNet101": "imagenet-caffe",
    "ResNet152": "imagenet-caffe",
}


def preset_of(name: str) -> str:
    """The preset for a network, or an empty text where its preprocessing is none of ours."""
    if name.endswith("V2") and name.startswith("ResNet"):
        return "mobilenet"
    if name.startswith("EfficientNetV2"):
        return "raw-0-255"
    return next((p for prefix, p in PRESETS.items() if name.startswith(prefix)), "")


def load(source: str, options: Options) -> LoadedSource:
    """Build the network and let Keras get its weights."""
    import keras

    builders: dict[str, Any] = {
        name: value
        for name, value in vars(keras.applications).items()
        if callable(value) and name[0].isupper()
    }
    if source not in builders:
        raise UsageError(f"keras has no network {source!r}; it has: {', '.join(sorted(builders))}")
    try:
        model = builders[source](weights="imagenet")
    except Exception as error:
        text = " ".join(str(error).split())
        if "URL fetch" in text or "urlopen" in text or "download" in text.lower():
            raise ConversionError(
                f"the weights of {source} could not be fetched from Keras' server: this machine "
                "has no way there; save the model elsewhere as .keras and convert that file"
            ) from error
        raise ConversionError(f"Keras cannot build {source}: {text[:300]}") from error
    return keras_source(model, options)


if __name__ == "__main__":
    main(load)
