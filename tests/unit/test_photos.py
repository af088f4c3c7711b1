"""From arguments to photos."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.photos import expand_photo, iter_photos, walk_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = ("b.JPG", "a.png", "sub/c.webp", "sub/deep/d.tiff")
    for name in (*photos, "notes.txt", "._a.png", ".h/e.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def names(found: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def test_a_folder_gives_its_photos_sorted_and_nothing_hidden(folder: Path) -> None:
    expected = ["a.png", "b.JPG", "sub/c.webp", "sub/deep/d.tiff"]
    assert names(expand_photo(folder), folder) == expected


def test_a_glob_that_the_shell_left_alone(folder: Path) -> None:
    assert names(expand_photo(f"{folder}/*.png"), folder) == ["a.png"]
    assert names(expand_photo(f"{folder}/**/*.*"), folder) == [
        "a.png", "b.JPG", "sub/c.webp", "sub/deep/d.tiff",
    ]  # fmt: skip


def test_a_glob_that_matches_a_folder_takes_the_photos_in_it(folder: Path) -> None:
    assert names(expand_photo(f"{folder}/s*"), folder) == ["sub/c.webp", "sub/deep/d.tiff"]


def test_a_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert expand_photo(folder / "notes.txt") == [folder / "notes.txt"]


def test_a_name_with_brackets_is_no_glob(tmp_path: Path) -> None:
    path = tmp_path / "a[1].png"
    path.touch()
    assert expand_photo(path) == [path]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("none.png", "there is no photo"),
        ("*.gif", "matches no photos"),
        ("empty", "holds no photos"),
        ("*.txt", "matches no photos"),
        ("a\0b", "photo"),
        ("x" * 5000, "photo"),
    ],
)
def test_nothing_found_is_one_sentence(folder: Path, argument: str, message: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(BadInputError, match=message) as caught:
        expand_photo(f"{folder}/{argument}")
    assert "\n" not in str(caught.value)


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(expand_photo(folder)) == 4


def test_photos_are_found_one_by_one_in_the_order_of_their_paths(tmp_path: Path) -> None:
    source = random.Random(5)
    for _ in range(300):
        parts = ["".join(source.choices("ab.B-_", k=source.randint(1, 3))) for _ in range(3)]
        path = tmp_path.joinpath(*[f"x{part}x" for part in parts[:-1]], f"x{parts[-1]}.png")
        if not path.parent.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = list(walk_photos(tmp_path))
    assert found == sorted(tmp_path.rglob("*.png"))
    assert len(found) > 100
    (tmp_path / "zz.png").touch()
    photos = iter_photos(tmp_path)
    assert next(photos) == found[0]
    found[-1].unlink()  # not looked at yet, and so not given
    assert list(photos) == [*found[1:-1], tmp_path / "zz.png"]


def test_a_folder_in_a_folder_a_thousand_times(tmp_path: Path) -> None:
    deepest = tmp_path
    for _ in range(1200):
        deepest /= "d"
        deepest.mkdir()
    (deepest / "a.png").touch()
    try:
        assert list(walk_photos(tmp_path)) == [deepest / "a.png"]
    finally:  # pytest, which clears old folders, cannot remove one so deep
        (deepest / "a.png").unlink()
        while deepest != tmp_path:
            deepest.rmdir()
            deepest = deepest.parent


def test_folders_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    told: list[OSError] = []
    assert list(walk_photos(tmp_path / "none", told.append)) == []
    assert isinstance(told[0], FileNotFoundError)
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert names(list(walk_photos(tmp_path)), tmp_path) == ["a.png", "loop.png"]


def test_an_empty_name_is_not_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert len(expand_photo(".")) == 4
    with pytest.raises(BadInputError, match="is empty"):
        expand_photo("")
