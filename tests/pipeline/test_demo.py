"""`make demo`'s command: both stories, and what it does without a network."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import demo_files
import pytest
from conftest import ASSETS, edge_deploy, skip_or_fail
from edge_deploy_converters.zoo import ZooError, fetch, zoo_entry
from edge_deploy_runner.errors import BadInputError
from PIL import Image

from edge_deploy.demonstration import crops, find_assets
from edge_deploy.plotting import Point, ticks, tradeoff_plot

pytestmark = pytest.mark.xdist_group("tensorflow")


def test_without_a_network_it_does_the_digits_alone_and_says_so(tmp_path: Path) -> None:
    closed = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    out = tmp_path / "out"
    result = edge_deploy("demo", "-o", out, "--json", env=closed)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert "EfficientNet-Lite0 was left out" in result.stderr
    (story,) = document["stories"]
    assert story["chosen"]
    verdicts = {c["recipe"]: c["verdict"] for c in story["candidates"]}
    assert verdicts["float32"] == "fail"  # too large for the budget
    assert verdicts["int8"] == "pass"
    int8 = next(c for c in story["candidates"] if c["recipe"] == "int8")
    assert int8["agreement"] >= 0.99
    assert int8["top1"] >= 0.94
    assert Image.open(out / "digits" / "tradeoff.png").size == (1120, 700)
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == demo_files.INDEX | demo_files.DIGITS
    index = (out / "README.md").read_text()
    assert f"Chosen: **{story['chosen']}**" in index
    assert "EfficientNet-Lite0 was left out: " in index
    linked = re.findall(r"\]\((.+?)\)", index)
    assert set(linked) == {name for name in written if name.endswith(".tflite")}
    for name in written - demo_files.INDEX:  # each is told of, by its name or by its ending
        told = (Path(name).name, re.sub(r"^digits/\w+", "*", name))
        assert any(f"- `{word}`: " in index for word in told), name
    again = edge_deploy("demo", "-o", out, "--digits-only")
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_the_zoo_model_sees_a_cat_and_an_espresso_and_is_bundled(tmp_path: Path) -> None:
    try:
        fetch(zoo_entry("efficientnet-lite0"), tmp_path / "edge-deploy" / "zoo")
    except ZooError as error:
        skip_or_fail("network", str(error))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    out = tmp_path / "out"
    made = edge_deploy(
        "convert", "zoo:efficientnet-lite0", "-o", out, "-r", "float32", "-r", "int8",
        "--calibration", ASSETS / "photos", env=environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    model = out / "efficientnet-lite0_float32.tflite"
    photos = [ASSETS / "photos" / n for n in ("chelsea.png", "chelsea_rotated.jpg", "coffee.png")]
    result = edge_deploy("run", model, *photos, "--json")
    best = [json.loads(line)["top"][0]["index"] for line in result.stdout.splitlines()]
    assert best[0] in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
    assert best[1] in (281, 282, 285)  # upright only if EXIF is honoured
    assert best[2] == 967  # espresso
    # On a grey input the reference kernels abort: a thousand classes are equally likely, and their
    # softmax takes no sum above 512. Photos are what it is asked about.
    int8 = out / "efficientnet-lite0_int8.tflite"
    bundled = edge_deploy("bundle", int8, "--target", "android-aar", "-o", out)
    assert bundled.returncode == 0, bundled.stderr


def test_crops_are_the_same_every_time() -> None:
    photos = [ASSETS / "photos" / "coffee.png", ASSETS / "photos" / "rocket.jpg"]
    first = crops(photos, 4, 32, seed=3)
    assert first.shape == (4, 32, 32, 3)
    assert (first == crops(photos, 4, 32, seed=3)).all()
    assert (first != crops(photos, 4, 32, seed=4)).any()


def test_a_plot_has_room_for_all_its_points() -> None:
    assert ticks(0) == [0.0, 1.0]
    assert ticks(18.6)[-1] >= 18.6
    points = [Point(f"recipe{n}", 1.0, 1.0, n % 2 == 0) for n in range(6)]
    assert tradeoff_plot(points, "six in one place", "x", "y").size == (1120, 700)


def test_missing_assets_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="--assets"):
        find_assets(tmp_path)
