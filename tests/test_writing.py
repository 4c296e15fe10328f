"""Files that are there as a whole or not at all."""

import os
import stat

import pytest

from hwshift.writing import replace_file, replace_files


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "net.onnx"
    mask = os.umask(0o027)
    try:
        replace_file(path, b"one")
        replace_file(str(path), b"two")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.onnx"]


@pytest.mark.parametrize("place", ["", "no/net.onnx"])
def test_places_that_cannot_be_written(tmp_path, place):
    with pytest.raises(OSError, match="Is a directory|No such file"):
        replace_file(tmp_path / place, b"")
    assert os.listdir(tmp_path) == []


def test_a_folder_is_made_or_filled(tmp_path):
    folder = tmp_path / "out"
    mask = os.umask(0o027)
    try:
        replace_files(folder, {"a.csv": b"1", "b.csv": b"2"})
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    (folder / "mine").write_bytes(b"kept")
    replace_files(str(folder), {"a.csv": b"3"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a.csv": b"3",
        "b.csv": b"2",
        "mine": b"kept",
    }
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_written_stays_as_it_is(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    (folder / "b.csv").mkdir(parents=True)
    with pytest.raises(OSError, match=r"Is a directory: b\.csv"):
        replace_files(folder, {"a.csv": b"1", "b.csv": b"2"})
    assert os.listdir(folder) == ["b.csv"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="Not a directory"):
        replace_files(tmp_path / "file", {"a.csv": b"1"})
    with pytest.raises(OSError, match="No such file"):
        replace_files(tmp_path / "no" / "out", {"a.csv": b"1"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    for place in (tmp_path / "new", folder):
        with pytest.raises(OSError, match="No space left"):
            replace_files(place, {"a.csv": b"1"})
    assert sorted(os.listdir(tmp_path)) == ["file", "out"]
    assert os.listdir(folder) == ["b.csv"]
