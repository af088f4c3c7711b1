"""The README.md that lies beside what the demo made, and says what is what."""

from __future__ import annotations

from collections.abc import Sequence

from .demonstration_story import Candidate, Story

INDEX = "README.md"

_KINDS = {
    ".tflite": "the model, as a phone or a board takes it",
    ".json": "its card: its source, its input, its labels, and the proof of the conversion",
    ".measurement.json": "size, latency and memory, as `edge-deploy profile` measured them here",
    ".accuracy.json": "how often it is right, and how often it agrees with float32, as "
    "`edge-deploy evaluate` found",
    ".verdict.json": "each limit of the budget with the figure that was held against it, as "
    "`edge-deploy judge` gives it",
}
_OTHERS = {
    "summary.json": "all candidates in one document, and which was chosen",
    "tradeoff.png": "size against latency; a ring is about the chosen one",
    "calibration_crops.npz": "the crops of photos that calibrated int8",
}


def index_text(stories: Sequence[Story], left_out: str) -> str:
    """Markdown: each story's verdicts and files; `left_out` is why there is no second story."""
    parts = [
        "# What the demo made",
        "Each folder holds one trained model: converted by several recipes, measured on this "
        "computer, and held against a budget.",
        *(part for story in stories for part in _story(story)),
    ]
    if left_out:
        parts.append(f"EfficientNet-Lite0 was left out: {left_out}")
    parts.append(
        "`edge-deploy inspect FILE.tflite` says more of a model, and `edge-deploy run FILE.tflite "
        "PHOTO` tries it."
    )
    return "\n\n".join(parts) + "\n"


def _story(story: Story) -> list[str]:
    chosen = story.chosen
    verdict = (
        f"No recipe passes {story.budget.name}."
        if chosen is None
        else f"Chosen: **{chosen.model.recipe.name}**, which passes {story.budget.name} and is the "
        f"best by {story.budget.optimize or 'latency_p50'}."
    )
    rows = ["| model | size | p50 | verdict |", "| --- | ---: | ---: | --- |"]
    rows += [_row(candidate, story.folder.name) for candidate in story.candidates]
    present = {path.name for path in story.folder.iterdir()}
    stem = story.candidates[0].model.path.stem
    files = [f"- `*{kind}`: {what}" for kind, what in _KINDS.items() if stem + kind in present]
    files += [f"- `{name}`: {what}" for name, what in _OTHERS.items() if name in present]
    return [f"## {story.folder.name}/: {story.title}", verdict, "\n".join(rows), "\n".join(files)]


def _row(candidate: Candidate, folder: str) -> str:
    path = f"{folder}/{candidate.model.path.name}"
    size, p50 = candidate.model.size_bytes / 1e6, candidate.percentile_ms("p50")
    return (
        f"| [{candidate.model.path.name}]({path}) | {size:.2f} MB | {p50:.2f} ms | "
        f"{candidate.verdict.status} |"
    )
