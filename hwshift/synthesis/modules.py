"""Maps the modules of a design apart, each kept by its own text: what designs have in common is mapped once."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from hwshift.cache import key_of
from hwshift.synthesis.run import cells_of, mapping
from hwshift.synthesis.targets import Target
from hwshift.synthesis.verilog import module_texts, ports_of
from hwshift.synthesis.yosys import yosys_version
from hwshift.writing import replace_file

__all__ = ["map_each"]

_INSTANCE = re.compile(r"^  (\\\S+) +\S+ +\($", re.MULTILINE)
_TOP = "samples"
_BATCH = 60_000  # characters
_CHILD = "module "
"""A kept count names the modules inside by their place: names carry numbers of the whole design."""


def map_each(text: str, top: str, target: Target, folder: Path) -> dict[str, dict[str, int]]:
    """How many cells of each type every module of a Verilog text has after mapping.

    As `hwshift.synthesis.run.map_modules`, where modules are mapped by themselves too. Here a module that was mapped
    before, for this or another design, stands as a box of its ports. Small modules come out the same to the cell; in
    large ones abc chooses by chance, and the counts differ by a per cent or so.

    Parameters
    ----------
    text : str
        Verilog, each module once.
    top : str
        What the names of its modules begin with.
    target : Target
    folder : Path
        Keeps the results, one file a module.
    """
    texts = module_texts(text)
    shared = {name: body for name, body in texts.items() if "#(parameter" in body}
    apart = {name: body for name, body in texts.items() if name not in shared}
    inner = {name: sorted(_children(body) & apart.keys()) for name, body in apart.items()}
    boxes = {name: _box(text, name) for name in apart}
    kept = {}
    for name, body in apart.items():
        parts = [body, *(boxes[child] for child in inner[name]), *_used(body, shared)]
        key = key_of(yosys_version(), target.name, target.script, *target.defines, *map(_canonical, parts))
        kept[name] = folder / f"{key}.json"
    folder.mkdir(parents=True, exist_ok=True)
    for new in _batches({name: apart[name] for name, path in kept.items() if not path.is_file()}):
        around = {child for name in new for child in inner[name]} - set(new)
        bodies = [*(apart[name] for name in new), *shared.values(), *(boxes[name] for name in sorted(around))]
        for name, cells in _map(bodies, new, top, target).items():
            places = {child.lstrip("\\"): f"{_CHILD}{place}" for place, child in enumerate(inner[name])}
            found = {places.get(cell, cell): number for cell, number in cells.items()}
            replace_file(kept[name], json.dumps(found, sort_keys=True).encode())
    return {name.lstrip("\\"): _read(path, inner[name]) for name, path in kept.items()}


def _read(path: Path, inner: list[str]) -> dict[str, int]:
    """The kept counts of a module, the ones inside it by the names they have in this design."""
    names = {f"{_CHILD}{place}": child.lstrip("\\") for place, child in enumerate(inner)}
    return {names.get(cell, cell): number for cell, number in json.loads(path.read_text()).items()}


def _batches(texts: dict[str, str]) -> Iterator[list[str]]:
    """Modules for one run of Yosys each: as many as keep what is lost small where one is interrupted."""
    batch: list[str] = []
    for name in texts:
        if batch and sum(len(texts[other]) for other in [*batch, name]) > _BATCH:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


def _used(body: str, shared: dict[str, str]) -> list[str]:
    """The modules with parameters that a text makes part of itself, and those that they do."""
    found: dict[str, str] = {}
    while new := {name for name in shared if f" {name} #(" in body and name not in found}:
        found |= {name: shared[name] for name in sorted(new)}
        body += "".join(shared[name] for name in new)
    return list(found.values())


def _canonical(body: str) -> str:
    """A module's text with its numbers of nets in order: Amaranth numbers ports through the whole design."""
    numbers: dict[str, str] = {}
    return re.sub(r"\$\d+", lambda match: numbers.setdefault(match[0], f"${len(numbers)}"), body)


def _children(body: str) -> set[str]:
    return set(_INSTANCE.findall(body))


def _box(text: str, name: str) -> str:
    """A module with nothing inside."""
    ports = ports_of(text, name.lstrip("\\"))
    names = ", ".join(port.name + " " for port in ports)
    lines = "".join(
        f"  {'input' if port.is_input else 'output'} [{port.width - 1}:0] {port.name} ;\n" for port in ports
    )
    return f"(* blackbox *)\nmodule {name} ({names});\n{lines}endmodule\n"


def _map(bodies: list[str], new: list[str], top: str, target: Target) -> dict[str, dict[str, int]]:
    """One run of Yosys for the modules that are new."""
    places = "".join(f"  (* keep *) {name} sample_{i} ();\n" for i, name in enumerate(new))
    around = f"module {_TOP} ();\n{places}endmodule\n"
    found = cells_of("\n".join([*bodies, around]), mapping(target, _TOP, top))
    return {name: found[name.lstrip("\\")] for name in new}
