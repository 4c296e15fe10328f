"""The package's lazy names."""

import subprocess
import sys

import pytest

import hwshift.golden


def test_names():
    assert sorted(hwshift.golden._MODULES) == sorted(hwshift.golden.__all__) == dir(hwshift.golden)
    for name in hwshift.golden.__all__:
        found = getattr(hwshift.golden, name)
        assert (found.__name__, found.__module__) == (name, f"hwshift.golden.{hwshift.golden._MODULES[name]}")


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"^module 'hwshift.golden' has no attribute 'walk'$"):
        hwshift.golden.walk  # noqa: B018


def test_import_is_light():
    code = (
        "import sys, hwshift.golden, hwshift.golden.scale; from hwshift.golden import Arithmetic; "
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
