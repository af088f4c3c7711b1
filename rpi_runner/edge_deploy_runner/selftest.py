"""Whether a model answers on this device as it did where its bundle was built.

A bundle's `golden/` folder holds inputs, and the outputs that the build machine gave for them: one
set by the reference kernels, which are the same everywhere, and one by the fast ones. Each set
says how near an answer must come; `golden.json` is written by `edge_deploy.bundles.golden_outputs`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .contract import preprocessing_from_mapping
from .errors import BadInputError, BundleError, EdgeDeployError
from .interpreter import LoadedModel, input_spec, runtime
from .preprocessing import open_photo, prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN_FORMAT = "edge-deploy golden"
GOLDEN_VERSION = 1
_RULES = ("identical", "codes", "relative", "agreement", "detections")


@dataclass(frozen=True)
class Check:
    """One answer held against its golden one: what was compared, how far apart, how far allowed."""

    name: str
    rule: str
    found: str
    allowed: str
    passed: bool


@dataclass(frozen=True)
class SelfTest:
    """All checks of one self-test, and the runtime that answered."""

    runtime: str
    runtime_version: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed; there is always at least one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": self.passed,
            "runtime": {"name": self.runtime, "version": self.runtime_version},
            "checks": [asdict(check) for check in self.checks],
        }


def selftest(folder: str | os.PathLike[str]) -> SelfTest:
    """Run the model of an unpacked bundle on its golden inputs.

    Raises `BundleError` where the golden files are missing or make no sense, and `DeviceError`
    where no runtime can be imported.
    """
    folder = Path(folder)
    record = _read_record(folder / "golden" / "golden.json")
    found = runtime()
    try:
        model = folder / str(record["model"])
        inputs = [[_array(folder, name) for name in names] for names in record["inputs"]]
        sets = [entry for entry in record["sets"] if found.name in entry["runtimes"]]
        checks: list[Check] = []
        for entry in sets:
            loaded = LoadedModel(model, 1, str(entry["kernels"]))
            checks += _check_set(folder, loaded, inputs, entry)
            if entry is sets[-1] and record["photos"]:
                checks += _check_photos(folder, loaded, record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"the golden files in {folder / 'golden'} make no sense ({type(error).__name__}: "
            f"{error}); build the bundle again"
        ) from error
    if not sets:
        raise BundleError(
            f"the bundle has no golden outputs for the runtime {found.name}; build it for this "
            "device's target"
        )
    return SelfTest(found.name, found.version, tuple(checks))


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} cannot be read ({error}); name the folder of an unpacked bundle"
        ) from error
    if not isinstance(record, dict) or record.get("format") != GOLDEN_FORMAT:
        raise BundleError(f"{path} is no golden file; name the folder of an unpacked bundle")
    if record.get("version") != GOLDEN_VERSION:
        raise BundleError(
            f"{path} has version {record.get('version')!r}, this runner reads {GOLDEN_VERSION}"
        )
    return record


def _array(folder: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(folder / "golden" / name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(
            f"the golden file {name} cannot be read ({error}); copy the bundle again"
        ) from error
    return array


def _check_set(
    folder: Path, loaded: LoadedModel, inputs: list[list[NDArray[Any]]], entry: dict[str, Any]
) -> list[Check]:
    checks = []
    for case in entry["cases"]:
        number = int(case["input"])
        answers = loaded.run(*inputs[number])
        golden = case["outputs"]
        for index, (answer, wanted) in enumerate(zip(answers, golden, strict=True)):
            title = f"{loaded.kernels} kernels, input {number + 1}"
            if len(golden) > 1:
                title += f", output {index + 1}"
            checks.append(compare(title, answer, _array(folder, wanted["file"]), wanted["rule"]))
    return checks


def _check_photos(folder: Path, loaded: LoadedModel, record: dict[str, Any]) -> list[Check]:
    """Decode, crop, resize and normalize photos, and hold the tensors against the golden ones."""
    values = dict(record["preprocessing"])
    contract = preprocessing_from_mapping(values, str(values.pop("source", "bundle")))
    spec = input_spec(loaded.inputs[0], loaded.name, contract.layout)
    checks = []
    for photo in record["photos"]:
        title = f"photo {photo['file']}"
        try:
            tensor = prepare(open_photo(folder / "golden" / photo["file"]), contract, spec)
        except EdgeDeployError as error:
            checks.append(Check(title, "decoded", f"not decoded: {error}", "decoded", False))
            continue
        checks.append(compare(title, tensor, _array(folder, photo["tensor"]), photo["rule"]))
    return checks


def compare(
    title: str, found: NDArray[Any], golden: NDArray[Any], rule: dict[str, Any]
) -> Check:  # fmt: skip
    """Hold one tensor against its golden one.

    `rule["kind"]`: "identical"; "codes", apart by `at_most`, in units of `unit`, or where it has
    `cosine`, farther apart and in agreement; "relative", by
    `at_most` of the golden's largest magnitude; "agreement", a cosine of `cosine` at least and,
    with `top1`, the same best class; "detections", scores apart by `at_most`. NaN never passes.
    """
    kind = str(rule["kind"])
    if kind not in _RULES:
        raise BadInputError(f"the golden rule {kind!r} is unknown; use one of {', '.join(_RULES)}")
    if found.shape != golden.shape or found.dtype != golden.dtype:
        return Check(
            title, kind, f"{found.dtype} {list(found.shape)}",
            f"{golden.dtype} {list(golden.shape)}", False,
        )  # fmt: skip
    if kind == "identical":
        differ = int(np.count_nonzero(~_same(found, golden)))
        return Check(title, kind, f"{differ} of {golden.size} differ", "0 differ", differ == 0)
    a, b = found.astype(np.float64).reshape(-1), golden.astype(np.float64).reshape(-1)
    if not np.isfinite(a).all():
        return Check(title, kind, "NaN or infinite", "finite values", False)
    if kind == "agreement":
        return _agreement(title, a, b, rule)
    limit = float(rule["at_most"])
    if kind == "detections":
        a, b = np.sort(a), np.sort(b)
    apart = float(np.abs(a - b).max(initial=0.0))
    if kind == "codes":
        # Real values that stand for codes carry the rounding of float32.
        codes = apart / float(rule["unit"])
        found_words, allowed = f"{codes:.3g} apart", f"{limit:g} apart"
        near = codes <= limit + 1e-3
        if near or "cosine" not in rule:
            return Check(title, kind, found_words, allowed, near)
        alike = _agreement(title, a, b, rule)
        return Check(
            title, kind, f"{found_words}, {alike.found}", f"{allowed}, or {alike.allowed}",
            alike.passed,
        )  # fmt: skip
    if kind == "relative":
        scale = float(np.abs(b).max(initial=0.0)) or 1.0
        return Check(
            title, kind, f"{apart / scale:.2g} apart", f"{limit:g} apart", apart <= limit * scale
        )
    return Check(title, kind, f"{apart:.3g} apart", f"{limit:g} apart", apart <= limit)


def _same(found: NDArray[Any], golden: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the bytes are equal: also for NaN, but not for 0 and -0."""
    size = found.dtype.itemsize
    a = np.ascontiguousarray(found).reshape(-1).view(np.uint8).reshape(-1, size)
    b = np.ascontiguousarray(golden).reshape(-1).view(np.uint8).reshape(-1, size)
    equal: NDArray[np.bool_] = (a == b).all(axis=1)
    return equal


def _agreement(
    title: str, a: NDArray[np.float64], b: NDArray[np.float64], rule: dict[str, Any]
) -> Check:
    wanted = float(rule["cosine"])
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / norms if norms else float(np.array_equal(a, b))
    found, allowed, passed = f"cosine {cosine:.6f}", f"cosine {wanted:g}", cosine >= wanted
    if rule["top1"]:
        same = int(a.argmax()) == int(b.argmax())
        found += f", top-1 {'the same' if same else 'another'}"
        allowed += ", top-1 the same"
        passed = passed and same
    return Check(title, "agreement", found, allowed, passed)
