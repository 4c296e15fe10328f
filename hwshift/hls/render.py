"""The C++ sources and templates of this package."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hwshift import __version__
from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat

__all__ = ["LINE", "plain", "product_shifts", "render", "sources", "tool_files", "wrapped"]

LINE = 112
"""Characters that a line of a table has at most, beside its indent."""

_HERE = Path(__file__).parent
_PART, _PERIOD = "xczu3eg-sbva484-1-e", 5


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


def tool_files(top: str, source: str) -> dict[str, bytes]:
    """``Makefile`` and ``run_hls.tcl`` of a project: the top function, and the file that holds it."""
    bench = "src/testbench.cpp"
    return {
        "Makefile": render("Makefile.j2", sources=[source, bench]),
        "run_hls.tcl": render(
            "run_hls.tcl.j2", top=top, sources=[source], bench=bench, part=_PART, period=_PERIOD
        ),
    }


def product_shifts(config: AcceleratorConfig) -> dict[str, int]:
    """How terms come to the accumulator's fraction bits: ``left`` of a shift_add's value, ``right`` of a product."""
    fmt = config.weights
    return {
        "left": config.guard + fmt.p_max if isinstance(fmt, Pow2Format) else 0,
        "right": fmt.n - config.guard if isinstance(fmt, QFormat) else 0,
    }


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
