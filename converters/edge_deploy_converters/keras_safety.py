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
_CODE_CLASSES = ("Lambda", "__lambda__", "__typespec__", "function")


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
            stack.extend(item.values())
    return ""


def _is_own(module: str) -> bool:
    return any(module == own or module.startswith(own + ".") for own in _OWN_MODULES)


def read_keras_config(path: Path) -> Any:
    """The configuration in a `.keras` zip; raises `BadInputError` where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except KeyError:
        raise BadInputError(
            f"{path.name} is a zip without a Keras config.json; save it with model.save()"
        ) from None
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise BadInputError(f"{path.name} is damaged, not a .keras file: {error}") from error
