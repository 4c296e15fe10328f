"""Lists the packages of the four top folders; everything else stands in ``pyproject.toml``.

setuptools' ``find`` knows a single root, while `package-dir` maps four folders into the one
``hwshift`` namespace, so the list is made here: a new sub-package needs no edit anywhere.
"""

from setuptools import find_packages, setup

ROOTS = {"hwshift": "hwshift", "golden": "hwshift.golden", "rtl": "hwshift.rtl", "sim": "hwshift.sim"}


def packages() -> list[str]:
    """Dotted names of every folder with an ``__init__.py`` under the four roots."""
    names = []
    for folder, name in ROOTS.items():
        names += [name, *(f"{name}.{sub}" for sub in find_packages(folder))]
    return names


setup(packages=packages())
