"""Walking a directory tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.tree import TreeWalk


def everything(_path: str) -> bool:
    return True


def grown(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())
    return root


def walked(root: Path, after: str = "", names_at_once: int = 1000) -> list[str]:
    return [
        file.relative_path for file in TreeWalk(str(root), everything, FileRoots([root]), names_at_once).files(after)
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return grown(
        tmp_path, "b.wav", "a/z.wav", "a/b/c.wav", "a/b/d/e.wav", "a.wav", "a-1.wav", "c/a.wav", "c/ü.wav", "c/z/a.wav"
    )


def test_files_come_depth_first_in_the_order_of_their_names(tree: Path) -> None:
    assert walked(tree) == [
        "a/b/c.wav",
        "a/b/d/e.wav",
        "a/z.wav",
        "a-1.wav",
        "a.wav",
        "b.wav",
        "c/a.wav",
        "c/z/a.wav",
        "c/ü.wav",
    ]


@pytest.mark.parametrize("names_at_once", [1, 2, 3, 1000])
def test_a_walk_goes_on_after_any_file_however_few_names_it_holds(tree: Path, names_at_once: int) -> None:
    files = walked(tree)
    for number, file in enumerate(files, 1):
        assert walked(tree, after=file, names_at_once=names_at_once) == files[number:]


def test_a_walk_goes_on_where_its_last_file_was_removed(tree: Path) -> None:
    files = walked(tree)
    (tree / "a/z.wav").unlink()
    assert walked(tree, after="a/z.wav") == files[3:]


def test_a_large_folder_is_read_in_parts(tmp_path: Path) -> None:
    names = sorted(f"{number}.wav" for number in range(200))
    assert walked(grown(tmp_path, *names), names_at_once=7) == names


def test_sizes_and_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"12345")
    (file,) = TreeWalk(str(tmp_path), everything, FileRoots([tmp_path])).files()
    assert (file.relative_path, file.size_bytes) == (r"caf\xe9.wav", 5)
    assert Path(file.path).read_bytes() == b"12345"


def test_links_are_followed_where_they_may_lead_and_never_in_circles(tmp_path: Path) -> None:
    inside = grown(tmp_path / "inside", "x/a.wav", "y/b.wav")
    outside = grown(tmp_path / "outside", "secret.wav")
    (inside / "to-file.wav").symlink_to(inside / "x/a.wav")
    (inside / "to-folder").symlink_to(inside / "y")
    (inside / "x/up").symlink_to(inside)
    (inside / "y/across").symlink_to(inside / "x")
    (inside / "x/out").symlink_to(outside)
    (inside / "out.wav").symlink_to(outside / "secret.wav")
    (inside / "nowhere.wav").symlink_to(inside / "missing.wav")
    (inside / "itself.wav").symlink_to(inside / "itself.wav")
    walk = TreeWalk(str(inside), everything, FileRoots([inside]))
    assert [file.relative_path for file in walk.files()] == [
        "to-file.wav",
        "to-folder/across/a.wav",
        "to-folder/b.wav",
        "x/a.wav",
        "y/across/a.wav",
        "y/b.wav",
    ]


def test_what_is_no_regular_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert walked(grown(tmp_path, "a.wav")) == ["a.wav"]


def test_folders_that_are_not_to_be_entered_are_not_read(tree: Path) -> None:
    walk = TreeWalk(str(tree), lambda folder: folder != "a/b", FileRoots([tree]))
    assert [file.relative_path for file in walk.files() if file.relative_path.startswith("a/")] == ["a/z.wav"]


def test_a_folder_that_vanishes_meanwhile_is_passed_over(tree: Path) -> None:
    files = TreeWalk(str(tree), everything, FileRoots([tree])).files()
    assert next(files).relative_path == "a/b/c.wav"
    (tree / "c").rename(tree.parent / f"{tree.name}-moved")
    assert [file.relative_path for file in files] == ["a/b/d/e.wav", "a/z.wav", "a-1.wav", "a.wav", "b.wav"]
