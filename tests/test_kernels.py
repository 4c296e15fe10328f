"""The cache of compiled kernels: one folder for each state of a package's sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

from hwshift import kernels

HELPER = """
from pathlib import Path
from hwshift.kernels import kernel_decorator

kernel = kernel_decorator(Path(__file__).parent)

@kernel
def helper(x):
    return x + 10
"""
CALLER = """
from numbers_package.helper import helper, kernel

@kernel
def caller(x):
    return 2 * helper(x)
"""
MAIN = """
from numba import config
from numba.core import event
before = config.CACHE_DIR
from numbers_package.caller import caller
assert config.CACHE_DIR == before
with event.install_recorder("numba:compile") as compiled:
    print(caller(5), len(compiled.buffer) > 0)
"""


@pytest.fixture
def package(tmp_path):
    """A package of two kernels, one in each file."""
    folder = tmp_path / "numbers_package"
    folder.mkdir()
    for name, text in (("__init__", ""), ("helper", HELPER), ("caller", CALLER)):
        (folder / f"{name}.py").write_text(text)
    return folder


def run(package, **environment):
    """What a new process prints."""
    own = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=package.parent,
        env=own | {"PYTHONPATH": str(package.parent)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def folders(base):
    return sorted(path.name for path in base.iterdir() if path.is_dir())


def test_an_edit_of_any_file_changes_the_folder(package, tmp_path):
    """The caller is compiled anew after an edit of its helper, which lies in another file."""
    cache = tmp_path / "cache"
    environment = {"NUMBA_CACHE_DIR": str(cache)}
    assert run(package, **environment) == ["30", "True"]
    first = folders(cache)
    assert len(first) == 1
    assert run(package, **environment) == ["30", "False"], (
        "the second process has to find the first one's code"
    )
    assert folders(cache) == first
    text = (package / "helper.py").read_text()
    (package / "helper.py").write_text(text.replace("+ 10", "+ 20"))
    assert run(package, **environment) == ["50", "True"]
    assert len(folders(cache)) == 2
    (package / "helper.py").write_text(text)
    assert run(package, **environment) == ["30", "False"], "the old sources find their old code"


def test_without_numba_cache_dir_the_product_s_own_folder_is_taken(package, tmp_path):
    assert run(package, HWSHIFT_CACHE_DIR=str(tmp_path / "own")) == ["30", "True"]
    assert len(folders(tmp_path / "own" / "kernels")) == 1
    assert not list(package.glob("**/*.nb?"))


def test_base(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "numba"))
    assert kernels._base() == tmp_path / "numba"
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(tmp_path / "own"))
    assert kernels._base() == tmp_path / "own" / "kernels"


def test_a_fingerprint_is_of_names_and_contents(tmp_path):
    """A file that moves, changes, comes or goes; other files do not count."""
    seen = set()
    for i, (name, text) in enumerate(
        [("a", "1"), ("a", "2"), ("b", "1"), ("b", "12"), ("b1", "2"), (None, "")]
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        if name:
            (folder / f"{name}.py").write_text(text)
        seen.add(kernels._fingerprint(folder))
    assert len(seen) == 6
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.py").write_text("1")
    (tmp_path / "more" / "a.txt").write_text("3")
    assert kernels._fingerprint(tmp_path / "more") == kernels._fingerprint(tmp_path / "0")


def function(x):
    return x


def test_numba_s_setting_is_restored(monkeypatch, tmp_path):
    """After a decoration and after one that fails; other kernels of the process keep their own cache."""
    for own in ("", str(tmp_path / "mine")):
        monkeypatch.setattr(config, "CACHE_DIR", own)
        monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(tmp_path / "own"))
        decorate = kernels.kernel_decorator(Path(__file__).parent)
        found = decorate(function)
        assert config.CACHE_DIR == own
        base = Path(own) if own else tmp_path / "own" / "kernels"
        assert Path(found.stats.cache_path).is_relative_to(base)
        assert found(3) == 3
        names = {}
        exec(
            "def nowhere(x): return x", names
        )  # a function without a file, next to which its code could be kept
        with pytest.raises(RuntimeError, match="cannot cache function 'nowhere'"):
            decorate(names["nowhere"])
        assert config.CACHE_DIR == own


def test_constants_of_other_packages_count(tmp_path):
    """The simulators hold field numbers of `hwshift.program`: an edit there gives their kernels another cache."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "part.py").write_text("FIELD = 1\n")
    kernels._fingerprint.cache_clear()
    before = kernels._fingerprint(own, other)
    (other / "part.py").write_text("FIELD = 2\n")
    kernels._fingerprint.cache_clear()
    assert kernels._fingerprint(own, other) != before


def test_the_simulators_count_what_they_hold():
    from hwshift.sim import compiled
    from hwshift.sim.cycle.compute_side import commit

    names = {folder.name for folder in compiled._FOLDERS}
    assert names == {"sim", "cycle", "program"}
    place = Path(commit._cache._cache_path)
    assert kernels._fingerprint(*compiled._FOLDERS) in place.parts
    with pytest.raises(ValueError, match="kernels are cached"):
        compiled.njit(cache=False)
