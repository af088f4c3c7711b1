"""What in a Keras file is code: Lambda layers, foreign modules, pickles.

Looked for in the file itself, before any of it is loaded.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edge_deploy_runner.errors import BadInputError

_OWN_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "builtins")
_CODE_CLASSES = (
    "Lambda", "__lambda__", "__typespec__", "function", "TorchModuleWrapper", "TFSMLayer",
    "JaxLayer", "FlaxLayer",
)  # fmt: skip
# What tf_keras' TFOpLambda may call; tf.io writes files and tf.py_function runs Python.
_TENSORFLOW_PARTS = (
    "math", "nn", "image", "linalg", "signal", "random", "bitwise", "sparse", "ragged", "strings",
    "__operators__", "dtypes", "quantization",
)  # fmt: skip
_TENSORFLOW_CODE = ("py_function", "numpy_function", "load_library", "load_op_library", "print")
# No network's structure is that long; a zip can hold gigabytes of zeros in a few bytes.
LARGEST_CONFIG_BYTES = 64 * 2**20


def is_pickle(path: Path) -> bool:
    """Whether the file starts as a Python pickle of protocol 2 or later does."""
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def refuse_code(config: Any, path: Path) -> None:
    """Raise `BadInputError` if a model's configuration holds code or names foreign modules."""
    found = _find_code(config)
    if found:
        raise BadInputError(
            f"{path.name} contains {found}, which is code that loading it would run; if you trust "
            "where it comes from, add --trust-source"
        )


def _find_code(value: Any) -> str:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            kind = item.get("class_name")
            module = item.get("module")
            if kind in _CODE_CLASSES and (kind != "function" or module not in (None, "builtins")):
                own = isinstance(module, str) and module.split(".")[0] in ("keras", "tf_keras")
                if not (kind == "function" and own):
                    return f"a {kind} layer" if kind == "Lambda" else f"a {kind} object"
            if isinstance(module, str) and not _is_own(module):
                return f"a custom object from the Python module {module!r}"
            # Wrappers keep marshalled bytecode beside a key such as residual_fn_type.
            if any(v == "lambda" and str(k).endswith("_type") for k, v in item.items()):
                return "a marshalled function"
            settings = item.get("config")
            if kind == "TFOpLambda" and isinstance(settings, dict):
                called = str(settings.get("function"))
                if not _is_computation(called):
                    return f"a call of tf.{called}"
            stack.extend(item.values())
    return ""


def _is_own(module: str) -> bool:
    return any(module == own or module.startswith(own + ".") for own in _OWN_MODULES)


def _is_computation(function: str) -> bool:
    """Whether a TensorFlow function, named as in `math.add`, only computes."""
    *parts, name = function.removeprefix("tf.").removeprefix("compat.v1.").split(".")
    return name not in _TENSORFLOW_CODE and (not parts or parts[0] in _TENSORFLOW_PARTS)


def parse_config(text: str | bytes, path: Path) -> Any:
    """The configuration of a Keras model from its JSON; raises `BadInputError`."""
    if len(text) > LARGEST_CONFIG_BYTES:
        raise BadInputError(
            f"{path.name} has a model configuration of {len(text) / 1e6:.0f} MB, which no real "
            "network needs; it is damaged: save it again"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(
            f"{path.name} has a damaged model configuration: {error}; save it again"
        ) from error


def read_keras_config(path: Path) -> Any:
    """The configuration in a `.keras` zip; raises `BadInputError` where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > LARGEST_CONFIG_BYTES:
                raise ValueError("its config.json is too large")
            text = archive.read("config.json")
    except KeyError:
        raise BadInputError(
            f"{path.name} is a zip without a Keras config.json; save it with model.save()"
        ) from None
    # zipfile and zlib raise a dozen types on damaged files.
    except Exception as error:
        raise BadInputError(
            f"{path.name} is damaged, not a .keras file: {error}; save it again"
        ) from error
    return parse_config(text, path)
