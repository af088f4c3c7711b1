"""Sources of the frameworks that are damaged or not to be trusted; most without TensorFlow.

Killed conversions are in `test_interruption.py`.
"""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from conftest import edge_deploy
from edge_deploy_converters.frontend import FrontEnd
from edge_deploy_converters.source import find_source
from edge_deploy_runner.errors import BadInputError

from .bad_lines import converted


class Canary:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def keras_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_json", ".json"), content)
    return path


@pytest.mark.parametrize("name", ["net.pkl", "net.keras", "net.h5", "net.tflite"])
def test_a_pickle_is_never_opened(house: Path, say: Callable[..., str], name: str) -> None:
    (house / name).write_bytes(pickle.dumps(Canary(house / "canary")))
    assert "pickle" in say(3, "convert", house / name, "-o", house / "out")
    assert not (house / "canary").exists()
    pickle.loads((house / name).read_bytes()).close()
    assert (house / "canary").exists()  # it would have sung


KERAS = {
    "lambda": (b'{"config": {"layers": [{"class_name": "Lambda"}]}}', "--trust-source"),
    "foreign": (b'{"class_name": "Net", "module": "os"}', "--trust-source"),
    "cut": (b'{"class_name"', "damaged"),
    "deep": (b"[" * 100_000, "damaged"),
}


def test_files_of_a_newer_keras(house: Path, say: Callable[..., str]) -> None:
    layers = [{"module": "keras.layers", "class_name": "LayerOfTomorrow", "config": {}}]
    model = {"module": "keras", "class_name": "Sequential", "config": {"layers": layers}}
    keras_zip(
        house / "net.keras",
        config_json=json.dumps(model).encode(),
        metadata_json=b'{"keras_version": "99.1.0"}',
    )
    import h5py

    with h5py.File(house / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = "3.999.0"
        file.create_group("model_weights")
    here = metadata.version("keras")
    for name, saved_with in (("net.keras", "99.1.0"), ("net.h5", "3.999.0")):
        said = say(3, "convert", house / name, "-o", house / "out")
        assert f"Keras {here} cannot load {name}, which Keras {saved_with} saved: " in said
        assert "LayerOfTomorrow" in said
    assert converted(house / "out") == []


@pytest.mark.parametrize("kind", list(KERAS))
def test_keras_files(house: Path, say: Callable[..., str], kind: str) -> None:
    config, words = KERAS[kind]
    path = keras_zip(house / "net.keras", config_json=config)
    assert words in say(3, "convert", path, "-o", house / "out")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "damaged" in say(3, "convert", path, "-o", house / "out")
    import h5py

    with h5py.File(house / "net.h5", "w") as file:
        text = h5py.string_dtype()
        file.attrs.create("model_config", config.decode(), dtype=text)
    assert words in say(3, "convert", house / "net.h5", "-o", house / "out")
    data = (house / "net.h5").read_bytes()
    (house / "net.h5").write_bytes(data[: len(data) // 2])
    assert "damaged" in say(3, "convert", house / "net.h5", "-o", house / "out")
    assert converted(house / "out") == []


def _edited(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.xdist_group("tensorflow")
def test_sources_with_damaged_parts(sources: Path, tmp_path: Path) -> None:
    good = sources / "rank2.keras"
    no_weights = _edited(good, tmp_path / "a.keras", lambda n, d: None if n.endswith(".h5") else d)
    half = _edited(
        good, tmp_path / "b.keras", lambda n, d: d[: len(d) // 2] if n.endswith(".h5") else d
    )
    shutil.copytree(sources / "plain_saved_model", tmp_path / "no_variables")
    shutil.rmtree(tmp_path / "no_variables" / "variables")
    (tmp_path / "cut.pb").write_bytes((sources / "frozen.pb").read_bytes()[:5000])
    for path in (no_weights, half, tmp_path / "no_variables", tmp_path / "cut.pb"):
        with FrontEnd(find_source(str(path))) as front_end, pytest.raises(BadInputError) as caught:
            front_end.wait_loaded()
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


@pytest.mark.xdist_group("tensorflow")
def test_an_input_of_terabytes(sources: Path, tmp_path: Path) -> None:
    ended = edge_deploy(
        "convert", sources / "open_size.keras", "-o", tmp_path / "out", "--input-shape",
        "1,100000,100000,3",
    )  # fmt: skip
    assert ended.returncode == 3
    assert "120 GB" in ended.stderr.splitlines()[-1]
    assert converted(tmp_path / "out") == []
