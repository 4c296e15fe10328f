"""The golden model's tests again with every index checked: compiled code reads past arrays silently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent / "golden"
SOME = [
    "test_packing.py",
    "test_plan.py",
    "test_strips.py::test_epilogues",
    "test_model.py::test_products_of_the_ends[1-mac-Q5.6-Q3.8-G1-DNone]",
    "test_model.py::test_products_of_the_ends[8-shift_add-Q5.6-pow2[-7,2]-G7-D1]",
    "test_operations.py::test_sigmoid[kinds0-mac-Q5.6-Q3.8-G1-DNone]",
    "test_fuzz.py::test_random_networks[0]",
    "test_fuzz.py::test_random_networks[25]",
]
BEYOND = """
import numpy as np
from hwshift.golden.channels import read_map
try:
    read_map(np.zeros(6, np.int32), np.zeros(1, np.int64), 0, 8, 4, 2, 4, 1, np.zeros(8, np.int32))
except IndexError:
    print("checked")
"""


def python(arguments, folder, timeout, checks="1"):
    """Run Python with or without checks; each needs a cache of its own, since kernels are kept without a mark."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": checks, "NUMBA_CACHE_DIR": str(folder)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=TESTS.parent.parent,
    )


def run_tests(names, folder, timeout):
    arguments = [
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow and not soak",
        *names,
    ]
    done = python(arguments, folder, timeout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_an_index_beyond_the_end_is_found(tmp_path):
    """Otherwise the tests below would prove nothing."""
    assert python(["-c", BEYOND], tmp_path / "with", 120).stdout == "checked\n"
    assert python(["-c", BEYOND], tmp_path / "without", 120, checks="0").stdout == ""


def test_a_part_of_the_golden_model_s_tests(tmp_path):
    """Every kernel, on several networks."""
    run_tests([str(TESTS / name) for name in SOME], tmp_path, 600)


@pytest.mark.soak
def test_all_of_the_golden_model_s_tests(tmp_path):
    run_tests([str(TESTS)], tmp_path, 3600)
