"""The keys of the JSON documents are a promise; golden files in tests/golden hold them.

`make golden` writes them anew: look at the difference before you commit it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"


def key_paths(document: Any, prefix: str = "") -> list[str]:
    """Every key of a document as a dotted path; lists stand for their first object."""
    if isinstance(document, list):
        return key_paths(document[0], f"{prefix}[].") if document else []
    if not isinstance(document, dict):
        return []
    found = []
    for key, value in document.items():
        path = f"{prefix.removesuffix('.')}.{key}" if prefix else key
        found += [path, *key_paths(value, f"{path}.")]
    return found


def check_golden(name: str, document: Any) -> None:
    """The keys of a document are those of the golden file, in order."""
    path = GOLDEN / name
    found = key_paths(document)
    if os.environ.get("EDGE_DEPLOY_UPDATE_GOLDEN"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(path.read_text())
