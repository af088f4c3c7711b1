"""Videos through ffmpeg, which is played by a script where the real one would have to misbehave."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import skip_or_fail
from edge_deploy_runner.errors import BadInputError, DeviceError
from edge_deploy_runner.sources.frames import Frame
from edge_deploy_runner.sources.opening import open_source
from edge_deploy_runner.sources.video import VideoSource
from small_models_photo import COLORS


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"pixels")
    return path


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> Path:
    """A program called ffmpeg that runs a few lines of Python; its arguments go to a file."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys, time\n"
        f"open({str(folder / 'arguments')!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        f"out = sys.stdout.buffer\n{body}"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return folder / "arguments"


PICTURES = "for v in (10, 20, 30): out.write(b'P6\\n3 2\\n255\\n' + bytes([v]) * 18)\n"


def test_pictures_of_whatever_size_ffmpeg_says(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = install(
        monkeypatch, tmp_path, PICTURES + "out.write(b'P6\\n2 3\\n255\\n' + bytes([40]) * 18)\n"
    )
    with VideoSource(film) as source:
        frames = list(source.frames())
    assert [frame.name for frame in frames] == [f"{film}#{i}" for i in range(4)]
    assert [np.asarray(frame.image).shape for frame in frames] == [(2, 3, 3)] * 3 + [(3, 2, 3)]
    assert [np.asarray(frame.image).max() for frame in frames] == [10, 20, 30, 40]
    given = arguments.read_text().splitlines()
    # A playlist in a film's clothes may not open a connection, nor a name be an option.
    assert given[given.index("-protocol_whitelist") + 1] == "file,pipe"
    assert given[given.index("-i") + 1] == f"file:{film}"


@pytest.mark.parametrize(
    ("body", "seen", "match"),
    [
        ("sys.exit('moov atom not found')", 0, "cannot be read at all: moov atom not found"),
        (PICTURES + "out.flush(); sys.exit('error at 3')", 3, "after 3 pictures: error at 3"),
        ("", 0, "it holds no pictures"),
        ("out.write(b'P6\\n9 9\\n255\\n' + bytes(9)); out.flush(); sys.exit('cut')", 0, "cut"),
        ("out.write(b'x' * 100)", 0, "cannot be read"),
    ],
)
def test_a_film_that_cannot_be_read_to_its_end(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch, body: str, seen: int, match: str
) -> None:
    install(monkeypatch, tmp_path, body)
    frames: list[Frame] = []
    with VideoSource(film) as source, pytest.raises(BadInputError, match=match):
        frames.extend(source.frames())
    assert len(frames) == seen


def test_ffmpeg_is_ended_with_the_source(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, PICTURES + "out.flush(); time.sleep(600)")
    with VideoSource(film) as source:
        assert next(source.frames()).number == 0
        process = source._process
    assert process is not None
    assert process.returncode is not None


def test_without_ffmpeg_a_sentence(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="sudo apt install -y ffmpeg"):
        VideoSource(film).__enter__()
    with pytest.raises(BadInputError, match="there is no video"):
        VideoSource(tmp_path / "no.mp4").__enter__()


def test_a_real_film(tmp_path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        skip_or_fail("emulated", "ffmpeg is not installed")
        return
    path = tmp_path / "film.mkv"
    raw = b"".join(bytes(color) * (64 * 48) for color in COLORS.values())
    subprocess.run(
        [program, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "5",
         "-i", "-", "-c:v", "ffv1", "-pix_fmt", "bgr0", str(path)],
        input=raw, check=True,
    )  # fmt: skip
    with open_source(str(path)) as source:
        frames = list(source.frames())
    assert len(frames) == 3
    for frame, color in zip(frames, COLORS.values(), strict=True):
        pixels = np.asarray(frame.image)
        assert pixels.shape == (48, 64, 3)
        assert np.abs(pixels.astype(int) - color).max() <= 3
    path.write_bytes(path.read_bytes()[:40])
    with open_source(str(path)) as source, pytest.raises(BadInputError, match="cannot be read"):
        list(source.frames())
