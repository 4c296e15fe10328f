"""Fixtures and settings shared by all tests."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests.seeds import VARIABLE, offset

# Compiled kernels go to a fresh folder, since numba's cache does not see an edited helper in another
# file. It is set before anything imports numba; the workers of pytest-xdist inherit it and share it.
_OWN_CACHE = None if "NUMBA_CACHE_DIR" in os.environ else tempfile.mkdtemp(prefix="hwshift-numba-")
if _OWN_CACHE:
    os.environ["NUMBA_CACHE_DIR"] = _OWN_CACHE

# Kernels compile inside the first example, so a time limit per example would fail at random.
settings.register_profile("hwshift", deadline=None)
settings.load_profile("hwshift")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """hypothesis draws from HWSHIFT_SEED like the other random tests, unless its own option names a seed."""
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = offset()


def pytest_report_header() -> str:
    """Shown before every session, so that a failure of any kind can be repeated."""
    return f"random tests: {VARIABLE}={offset()}"


def pytest_unconfigure(config: pytest.Config) -> None:  # noqa: ARG001
    """Remove the cache of compiled kernels in the process that made it."""
    if _OWN_CACHE:
        shutil.rmtree(_OWN_CACHE, ignore_errors=True)


@pytest.fixture(params=["icarus", "verilator"])
def simulator(request: pytest.FixtureRequest) -> str:
    """Name of each simulator in turn; skips, with the reason, one that cannot be used here."""
    from hwshift.tools import simulator_problem

    problem = simulator_problem(request.param)
    if problem:
        pytest.skip(problem)
    return request.param


@pytest.fixture(scope="session")
def rtl_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of RTL builds that all workers of the session share, so that each design is built once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "rtl-builds"


@pytest.fixture(scope="session")
def hwshift_data() -> Path:
    """Folder of images and weights that the environment variable HWSHIFT_DATA names."""
    folder = os.environ.get("HWSHIFT_DATA")
    if not folder:
        pytest.skip("HWSHIFT_DATA is not set: no images and weights to test with")
    if not Path(folder).is_dir():
        pytest.fail(f"HWSHIFT_DATA names no folder: {folder}")
    return Path(folder)
