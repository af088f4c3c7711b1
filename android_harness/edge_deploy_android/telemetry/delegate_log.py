"""Which delegate really runs a model: the lines that TFLite and LiteRT write as they load it.

They stand in logcat (tag `tflite` or `litert`) and, for adb programs, on stderr. Asking for a
delegate proves nothing: NNAPI and GPU are known to be created, asked, and then leave the graph to
the CPU without an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_REPLACING = re.compile(
    r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^)]*)\)(?: node)?"
    r"(?:, yielding (\d+) partitions?)?(?: for (?:the whole graph|subgraph (\d+)))?"
)
# threadtime, `-v time` or brief, and Android Studio's; the process id is in one of the groups.
_LOGCAT = re.compile(
    r"^(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+(?:(\d+)\s+\d+\s+[VDIWEFA]\s"
    r"|[VDIWEFA]/[^(]*\(\s*(\d+)\)"
    r"|(\d+)-\d+\s)"
    r"|^[VDIWEFA]/[^(]*\(\s*(\d+)\)"
)
_NAMES = {
    "tflitexnnpackdelegate": "XNNPACK",
    "tflitegpudelegate": "GPU",
    "tflitegpudelegatev2": "GPU",
    "litert_cl": "GPU",
    "litert_gl": "GPU",
    "litert_vulkan": "GPU",
    "litert_webgpu": "GPU",
    "ml_drift_cl": "GPU",
    "ml_drift_gl": "GPU",
    "tflitennapidelegate": "NNAPI",
}
_ASKED = {"xnnpack": "XNNPACK", "gpu": "GPU", "nnapi": "NNAPI"}
_CREATED = (
    (re.compile(r"Created TensorFlow Lite XNNPACK delegate"), "XNNPACK"),
    (re.compile(r"Created TensorFlow Lite delegate for GPU"), "GPU"),
    (re.compile(r"Created TensorFlow Lite delegate for NNAPI"), "NNAPI"),
)
_BACKENDS = (
    (re.compile(r"Initialized OpenCL-based API|\((?:LITERT|ML_DRIFT)_CL\)"), "OpenCL"),
    (re.compile(r"Initialized OpenGL-based API|Falling back to OpenGL|\((?:LITERT|ML_DRIFT)_GL\)"),
     "OpenGL"),
)  # fmt: skip
# What undoes a delegate, and whose it is; None stands for all but XNNPACK.
_FAILURES: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"TfLiteGpuDelegate (?:Init|Prepare|Invoke): "), "GPU"),
    (re.compile(r"Created 0 GPU delegate kernels"), "GPU"),
    (re.compile(r"Node number \d+ \(TfLiteGpuDelegate\w*\) failed to (?:prepare|invoke)"), "GPU"),
    (re.compile(r"NN API returned error "), "NNAPI"),
    (re.compile(r"Node number \d+ \(TfLiteNnapiDelegate\) failed to (?:prepare|invoke)"), "NNAPI"),
    (re.compile(r"Though NNAPI delegate is explicitly applied, the model graph will not"), "NNAPI"),
    (re.compile(r"Though GPU delegate is explicitly applied, the model graph will not"), "GPU"),
    (re.compile(r"Node number \d+ \(TfLiteXNNPackDelegate\) failed to (?:prepare|invoke)"),
     "XNNPACK"),
    (re.compile(r"Restored original execution plan after delegate application failure"), None),
    (re.compile(r"Failed to apply (?:the default |compiler |\w+ )?(?:TensorFlow Lite )?"
                r"(?:delegate|plugins?)", re.IGNORECASE), None),
)  # fmt: skip


@dataclass(frozen=True)
class DelegatePart:
    """A delegate that took `replaced` of the `total` nodes that it was shown of a subgraph."""

    name: str
    replaced: int
    total: int | None
    partitions: int | None
    subgraph: int


@dataclass(frozen=True)
class DelegateEvidence:
    """Who runs the model, as the log tells.

    `used` is the delegate that took most operators, with `replaced` of `total` of the model's own,
    or "unknown", and then both are None. `parts` are all that took some, in order; `failures` are
    lines that say of a delegate that it was given up. `backend` is the GPU's.
    """

    used: str = "unknown"
    replaced: int | None = None
    total: int | None = None
    parts: tuple[DelegatePart, ...] = ()
    failures: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    backend: str | None = None
    interpreters: int = 0

    @property
    def operator_share(self) -> float | None:
        """The share of the model's operators that `used` took, 0 to 1; None where unknown."""
        return self.share_of(self.used)

    def share_of(self, name: str) -> float | None:
        """The share of the model's operators that a delegate took; None where unknown."""
        nodes = _nodes(self.parts)
        taken = sum(part.replaced for part in self.parts if part.name == name)
        if not nodes or not taken:
            return None
        return min(1.0, taken / nodes)


@dataclass
class _Interpreter:
    """The lines of one interpreter, one after the other."""

    parts: list[DelegatePart] = field(default_factory=list)

    def follows(self, part: DelegatePart) -> bool:
        """Whether a line can be of this interpreter: the graph has shrunk as the one before said.

        N of M nodes that become P partitions leave from M - N + 1 to M - N + P.
        """
        if any((known.name, known.subgraph) == (part.name, part.subgraph) for known in self.parts):
            return False
        before = [known for known in self.parts if known.subgraph == part.subgraph]
        if not before or before[-1].total is None or part.total is None:
            return True
        left = (before[-1].total or 0) - before[-1].replaced
        return left < part.total <= left + (before[-1].partitions or before[-1].replaced)

    def undo(self, name: str | None) -> None:
        """Take back what a delegate took; for None what all but XNNPACK took."""
        self.parts = [
            part
            for part in self.parts
            if (part.name == "XNNPACK" if name is None else part.name != name)
        ]


def parse_delegate_log(text: str, pid: int | None = None) -> DelegateEvidence:
    """What a log says of the delegates of one model.

    With `pid`, lines of logcat that other processes wrote are left out. Where the log holds several
    interpreters of the model (a sweep of threads), all must agree, else `used` is "unknown".
    """
    interpreters: list[_Interpreter] = []
    failures: list[str] = []
    created: list[str] = []
    backends: list[str] = []
    for line in text.splitlines():
        if not _written_by(line, pid):
            continue
        for pattern, name in _CREATED:
            if pattern.search(line) and name not in created:
                created.append(name)
        backends += [name for pattern, name in _BACKENDS if pattern.search(line)]
        match = _REPLACING.search(line)
        if match is not None:
            part = _part(match)
            if part.replaced == 0:
                continue
            if not interpreters or not interpreters[-1].follows(part):
                interpreters.append(_Interpreter())
            interpreters[-1].parts.append(part)
        for pattern, failed in _FAILURES:
            if pattern.search(line):
                failures.append(_words(line))
                if interpreters:
                    interpreters[-1].undo(failed)
                break
    kept = [tuple(found.parts) for found in interpreters if found.parts]
    known = DelegateEvidence(
        failures=tuple(dict.fromkeys(failures)),
        created=tuple(created),
        backend=backends[-1] if backends else None,
        interpreters=len(kept),
    )
    return _agreed(known, kept)


def refusal_of(evidence: DelegateEvidence, asked: str) -> str | None:
    """Why a log contradicts the delegate that was asked for; None where it does not.

    "auto" and delegates that the log says nothing of are never contradicted.
    """
    name = _ASKED.get(asked)
    told = evidence.failures[0] if evidence.failures else ""
    if name is not None and evidence.parts and evidence.share_of(name) is None:
        others = ", ".join(dict.fromkeys(part.name for part in evidence.parts))
        return f"the log says that {others} runs the model" + (f" ({told})" if told else "")
    if name is not None and not evidence.parts and told:
        return f"the log says: {told}"
    if asked == "none" and evidence.parts:
        return f"the log says that {evidence.used} runs the model"
    return None


def _written_by(line: str, pid: int | None) -> bool:
    if pid is None:
        return True
    match = _LOGCAT.match(line)
    if match is None:
        return True
    return any(group is not None and int(group) == pid for group in match.groups())


def _part(match: re.Match[str]) -> DelegatePart:
    replaced, total, name, partitions, subgraph = match.groups()
    return DelegatePart(
        _NAMES.get(name.strip().lower(), name.strip() or "unknown"),
        int(replaced),
        None if total is None else int(total),
        None if partitions is None else int(partitions),
        0 if subgraph is None else int(subgraph),
    )


def _nodes(parts: tuple[DelegatePart, ...]) -> int | None:
    """How many operators the model has: what the first delegate saw of each of its subgraphs."""
    first: dict[int, int | None] = {}
    for part in parts:
        first.setdefault(part.subgraph, part.total)
    return None if None in first.values() else sum(total or 0 for total in first.values())


def _agreed(known: DelegateEvidence, kept: list[tuple[DelegatePart, ...]]) -> DelegateEvidence:
    if not kept or any(parts != kept[0] for parts in kept):
        return known
    parts = kept[0]
    taken: dict[str, int] = {}
    for part in parts:
        taken[part.name] = taken.get(part.name, 0) + part.replaced
    used = max(taken, key=lambda name: taken[name])
    return DelegateEvidence(
        used,
        taken[used],
        _nodes(parts),
        parts,
        known.failures,
        known.created,
        known.backend if "GPU" in taken else None,
        known.interpreters,
    )


def _words(line: str) -> str:
    """A line of the log without its time, process and level."""
    short = re.sub(r"^.*?\b(?:tflite|litert)\s*(?:\(\s*\d+\))?\s*:\s*", "", line.strip())
    return re.sub(r"^(?:INFO|WARNING|ERROR|VERBOSE):\s*", "", short)
