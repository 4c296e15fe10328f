"""Tests of what gets installed: packages, their data, the entry point, the public names."""

import importlib
import importlib.util
import json
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

import hwshift

ROOT = Path(__file__).parents[1]
ROOTS = {"hwshift": "hwshift", "golden": "hwshift.golden", "rtl": "hwshift.rtl", "sim": "hwshift.sim"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {
    ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
    for folder, name in ROOTS.items()
    for init in (ROOT / folder).rglob("__init__.py")
}


def run(*command, cwd):
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy of the sources, built without looking at any index."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in [*ROOTS, "pyproject.toml", "setup.py", "README.md", "LICENSE"]:
        (source / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    run(*pip, "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Python of a fresh environment with the wheel, which borrows the dependencies of this one.

    The borrowed folder comes in through a .pth file whose own .pth files are not read, so that the
    editable install is not seen.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index",
        "--ignore-installed", wheel, cwd=folder)  # fmt: skip
    return python


def test_the_wheel_holds_every_package_and_nothing_else(wheel):
    names = [Path(name) for name in ZipFile(wheel).namelist()]
    assert {name.parts[0] for name in names} == {"hwshift", f"hwshift-{hwshift.__version__}.dist-info"}
    found = {".".join(name.parent.parts) for name in names if name.name == "__init__.py"}
    assert found == PACKAGES


def test_the_wheel_holds_every_module_and_data_file(wheel):
    patterns = ["*.py", *(Path(glob).name for glob in PROJECT["tool"]["setuptools"]["package-data"]["*"])]
    expected = {
        Path(*name.split("."), file.relative_to(ROOT / folder)).as_posix()
        for folder, name in ROOTS.items()
        for pattern in patterns
        for file in (ROOT / folder).rglob(pattern)
        if "__pycache__" not in file.parts
    }
    assert expected - set(ZipFile(wheel).namelist()) == set()


def test_every_folder_with_modules_is_a_package():
    folders = {file.parent for name in ROOTS for file in (ROOT / name).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("module", ["hwshift", "hwshift.golden", "hwshift.rtl", "hwshift.sim", "hwshift.cli"])
def test_installed_packages_import(installed, module, tmp_path):
    place = run(installed, "-c", f"import {module}; print({module}.__file__)", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(installed.parents[1]), "not the copy that was installed"


def test_installed_command(installed, tmp_path):
    command = installed.parent / "hwshift"
    assert run(command, "--version", cwd=tmp_path) == f"hwshift, version {hwshift.__version__}\n"
    tools = json.loads(run(command, "doctor", "--json", cwd=tmp_path))
    assert {tool["name"] for tool in tools} >= {"python", "verilator", "cocotb"}


def test_installed_module_is_not_shadowed(installed, tmp_path):
    for name in ("sim", "golden", "rtl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    run(installed, "-c", "import hwshift.sim, hwshift.golden, hwshift.rtl", cwd=tmp_path)


def test_every_dependency_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"].values()
    for requirement in [*PROJECT["project"]["dependencies"], *(item for extra in extras for item in extra)]:
        assert requirement.count("==") == 1, requirement


def test_import_is_light():
    heavy = "{'numpy', 'numba', 'amaranth', 'cocotb', 'onnx', 'matplotlib', 'torch'}"
    code = f"import sys, hwshift, hwshift.cli, hwshift.sim; print(sorted({heavy} & set(sys.modules)))"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == "[]"


def test_public_names():
    assert set(hwshift.__all__) == {"__version__", *hwshift._LAZY}
    assert set(hwshift.__all__) <= set(dir(hwshift))
    for name in hwshift._LAZY:
        assert getattr(hwshift, name) is not None
        assert importlib.util.find_spec(f"hwshift.{name}") is None, (
            f"{name} is also a module, which would hide it"
        )


def test_lazy_names(monkeypatch):
    monkeypatch.setitem(hwshift._LAZY, "joined", "os.path:join")
    assert "joined" in dir(hwshift)
    assert hwshift.joined is importlib.import_module("os.path").join
    monkeypatch.delattr(hwshift, "joined")
    with pytest.raises(AttributeError, match=r"^module 'hwshift' has no attribute 'absent'$"):
        _ = hwshift.absent
