"""Where the names in a plot stand, and how the chosen point is told from the others."""

from __future__ import annotations

from itertools import combinations

import pytest
from PIL import Image, ImageFont

from edge_deploy.plot_labels import Box, place_labels
from edge_deploy.plotting import Point, tradeoff_plot

FONT = ImageFont.load_default(22)
INSIDE = (110.0, 70.0, 1110.0, 610.0)
INK, GREEN, RED = (0x22, 0x22, 0x22), (0x1B, 0x7F, 0x3B), (0xB3, 0x26, 0x1E)


def dot(x: float, y: float) -> Box:
    return (x - 10, y - 10, x + 10, y + 10)


def apart(one: Box, other: Box) -> bool:
    return (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    )  # fmt: skip


@pytest.mark.parametrize(
    "centres",
    [
        [(190, 438), (194, 438), (223, 377)],  # int8 and uint8 as the demo had them
        [(190, 438), (215, 438), (240, 438)],  # side by side, close
        [(190, 438), (190, 460), (190, 482), (190, 504)],
        [(1095, 600), (1070, 600), (1095, 575)],
        [(115, 75), (140, 75), (115, 100)],
        [(600 + 30 * x, 300 + 30 * y) for x in range(3) for y in range(3)],
    ],
)
def test_no_name_lies_on_a_dot_or_on_another_name(centres: list[tuple[float, float]]) -> None:
    marks = [dot(*centre) for centre in centres]
    labels = place_labels([f"recipe-{n}" for n in range(len(marks))], marks, INSIDE, FONT)
    assert sorted(n for label in labels for n in label.members) == list(range(len(marks)))
    for label in labels:
        assert all(apart(label.box, mark) for mark in marks)
        assert label.box[0] >= INSIDE[0]
        assert label.box[1] >= INSIDE[1]
        assert label.box[2] <= INSIDE[2]
        assert label.box[3] <= INSIDE[3]
    assert all(apart(one.box, other.box) for one, other in combinations(labels, 2))


def test_dots_on_one_another_share_a_label_from_left_to_right() -> None:
    marks = [dot(194, 438), dot(400, 300), dot(190, 438), dot(210, 438)]
    shared, alone = sorted(
        place_labels(["uint8", "float16", "int8", "int8-float-io"], marks, INSIDE, FONT),
        key=lambda label: -len(label.members),
    )
    assert (shared.members, shared.texts) == ((2, 0, 3), ("int8, ", "uint8, ", "int8-float-io"))
    assert (alone.members, alone.texts) == ((1,), ("float16",))


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    found = image.crop((112, 82, 1058, 600)).getcolors(1 << 20)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


def test_a_ring_is_about_the_chosen_one_alone() -> None:
    points = [Point("int8", 1.0, 1.0, True), Point("float32", 2.0, 4.0, False)]
    plain = colours(tradeoff_plot(points, "two", "ms", "MB"))
    assert {GREEN, RED} <= plain
    assert INK not in plain
    points[0] = Point("int8", 1.0, 1.0, True, chosen=True)
    assert INK in colours(tradeoff_plot(points, "two", "ms", "MB"))
