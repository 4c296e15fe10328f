"""The C++ sources and templates of this package."""

from functools import cache
from pathlib import Path
from typing import Any

from hwshift import __version__

__all__ = ["render", "sources"]

_HERE = Path(__file__).parent


def sources(*folders: str) -> dict[str, bytes]:
    """The files of some folders of ``hwshift/hls/cpp`` as ``src/NAME``, sorted."""
    files = sorted(file for folder in folders for file in (_HERE / "cpp" / folder).iterdir())
    return {f"src/{file.name}": file.read_bytes() for file in files}


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined, keep_trailing_newline=True
    )


def render(template: str, **values: object) -> bytes:
    """A file of ``hwshift/hls/templates`` with its values."""
    return _environment().get_template(template).render(version=__version__, **values).encode()
