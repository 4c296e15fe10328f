"""The C++ sources and templates of this package."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hwshift import __version__

__all__ = ["LINE", "plain", "render", "sources", "wrapped"]

LINE = 112
"""Characters that a line of a table has at most, beside its indent."""

_HERE = Path(__file__).parent


def sources(*folders: str) -> dict[str, bytes]:
    """The files of some folders of ``hwshift/hls/cpp`` as ``src/NAME``, sorted."""
    files = sorted(file for folder in folders for file in (_HERE / "cpp" / folder).iterdir())
    return {f"src/{file.name}": file.read_bytes() for file in files}


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["plain"] = plain
    return environment


def plain(name: str) -> str:
    """A name as part of a line of text or a comment of C++: without line ends and backslashes."""
    return "".join("?" if not c.isprintable() or c == "\\" else c for c in name)


def render(template: str, **values: object) -> bytes:
    """A file of ``hwshift/hls/templates`` with its values."""
    return _environment().get_template(template).render(version=__version__, **values).encode()


def wrapped(values: Iterable[object], indent: int = 12) -> str:
    """Values with commas between them, in lines."""
    lines, line = [], " " * indent
    for value in values:
        text = f"{value}, "
        if len(line) + len(text) > LINE + indent and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
        line += text
    return "\n".join([*lines, line.rstrip()])
