"""Opens models with the TFLite runtime in a process that may die: see `inspection.probe_models`.

`python -m edge_deploy.inspection_child MODEL...` prints the number of each model before it opens
it and one line of JSON after it, so that the parent knows which one took this process down.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

_ADDRESS_SPACE_BYTES = 4 * 2**30


def main() -> None:
    """Probe the models named on the command line."""
    # What native libraries print must not mix with our lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    paths = sys.argv[1:]
    _limit_memory(sum(_size(path) for path in paths))
    for number, path in enumerate(paths):
        print(number, file=answers, flush=True)
        print(json.dumps(probe(path)), file=answers, flush=True)


def probe(path: str) -> dict[str, Any]:
    """Open a model, run it once on zeros, and say what happened."""
    import numpy as np
    from edge_deploy_runner.errors import EdgeDeployError
    from edge_deploy_runner.interpreter import LoadedModel, runtime

    answer: dict[str, Any] = {"opens": False, "runs": False, "reason": None}
    try:
        answer["name"], answer["version"] = runtime().name, runtime().version
        model = LoadedModel(path)
        answer["opens"] = True
        delegate, share = model.delegated_share()
        answer["delegate"], answer["operator_share"] = delegate, share
        outputs = model.run(
            *(np.zeros(detail["shape"], detail["dtype"]) for detail in model.inputs)
        )
        answer["runs"] = True
        answer["finite"] = all(
            bool(np.isfinite(values).all()) for values in outputs if values.dtype.kind == "f"
        )
    except EdgeDeployError as error:
        answer["reason"] = str(error)
    # The runtime raises whatever it likes on a damaged model; this process exists to find out.
    except Exception as error:
        answer["reason"] = f"the TFLite runtime fails on it: {type(error).__name__}: {error}"[:300]
    return answer


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0


def _limit_memory(models_bytes: int) -> None:
    """Let an absurd shape fail at once instead of filling the machine's memory."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limit = _ADDRESS_SPACE_BYTES + 4 * models_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
