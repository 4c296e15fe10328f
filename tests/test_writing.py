"""Files that are there as a whole or not at all."""

import os
import stat

import pytest

from hwshift.writing import replace_file


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
