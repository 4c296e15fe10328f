"""How the manual is built: the navigation's pages that exist, the package in one folder, the docstrings' own sections.

MkDocs calls `on_startup` and `on_config`; Griffe, which reads the docstrings, loads `Members`.
"""

import shutil
from pathlib import Path
from typing import Any

from griffe import Extension, Object

__all__ = ["Members", "on_config", "on_startup"]

_SECTION = "Members\n-------"
_SKIPPED = shutil.ignore_patterns("__pycache__", "data", "*.npz", "*.hwnet")


def on_startup(**_: Any) -> None:
    """Put the package together; before mkdocstrings looks where it is."""
    _package(Path(__file__).parent.parent)


def on_config(config: Any) -> Any:
    """Leave pages out of the navigation that this tree does not hold."""
    config.nav = _there(config.nav, Path(config.docs_dir))
    return config


def _package(root: Path) -> None:
    """A copy that looks like the installed package: neither package-dir nor links are followed."""
    package = root / "build" / "modules" / "hwshift"
    shutil.rmtree(package.parent, ignore_errors=True)
    shutil.copytree(root / "hwshift", package, ignore=_SKIPPED)
    for name in ("golden", "rtl", "sim"):
        shutil.copytree(root / name, package / name, ignore=_SKIPPED)


def _there(nav: list[Any], folder: Path) -> list[Any]:
    out: list[Any] = []
    for item in nav:
        if isinstance(item, dict):
            out += [{name: _there(pages, folder)} for name, pages in item.items()]
        elif (folder / item).is_file():
            out.append(item)
    return out


class Members(Extension):
    """Docstrings say Members where NumPy's style says Attributes."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Called for everything that has a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace(_SECTION, "Attributes\n----------")
