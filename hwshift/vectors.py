"""Test vectors for any other flow: inputs, every layer's map and the program as .npy, hex and C headers."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift import __version__
from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.data import Images
from hwshift.generation import memory_hex
from hwshift.golden.model import trace
from hwshift.network.fixed import FixedNetwork
from hwshift.program.assembler import disassemble
from hwshift.program.expected import expected_memory, launch_of, tensor_table
from hwshift.program.file import program_archive
from hwshift.program.image import Program
from hwshift.progress import Progress, silent
from hwshift.writing import check_folder, replace_folder, toml_text

__all__ = ["FORMS", "Form", "Vectors", "write_vectors"]

Form = Literal["npy", "hex", "h"]

FORMS: tuple[Form, ...] = ("npy", "hex", "h")
"""Kinds of files, by their suffix."""

_PER_LINE = 16


@dataclass(frozen=True)
class Vectors:
    """What was written.

    Members
    -------
    folder : Path
    files : tuple of str
        Paths in the folder, sorted.
    program : Program
    layers : int
        Maps per image, the input included.
    """

    folder: Path
    files: tuple[str, ...]
    program: Program
    layers: int


def write_vectors(
    network: FixedNetwork,
    config: AcceleratorConfig,
    out: Path | str,
    images: Images,
    *,
    forms: Sequence[Form] = FORMS,
    force: bool = False,
    progress: Progress = silent,
) -> Vectors:
    """Write test vectors; the folder is there as a whole or not at all, and the same input gives the same bytes.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
        What the program is for.
    out : Path or str
        The folder.
    images : Images
    forms : sequence of "npy", "hex" or "h"
    force : bool
        Replace a folder that holds something.
    progress : callable
        Is told what is being done.

    Raises
    ------
    CompileError
        When the network does not fit.
    ProgramError
        When the folder cannot be written.
    """
    folder = Path(out).absolute()
    check_folder(folder, force)
    progress("compiling")
    program = compile_network(network, config)
    progress("computing the layers")
    width = config.act.storage_bits // 8
    files: dict[str, bytes] = {}
    listed = []
    for number, image in enumerate(images.codes):
        maps = trace(network, config.arithmetic, image).maps
        for place, layer in enumerate(network.layers):
            path = f"image_{number}/{place:03d}_{_identifier(layer.name)}"
            files |= _forms(path, np.ascontiguousarray(maps[layer.name], np.int32), width, forms)
            listed.append({"image": number, "layer": layer.name, "shape": list(layer.shape), "file": path})
        memory = expected_memory(program, image, maps)
        files |= _memory(f"image_{number}/memory_after", memory, config, forms)
        files |= _memory(f"image_{number}/memory_before", program.memory_image(image), config, forms)
    files |= _program(program, forms)
    files["config.toml"] = toml_text(config.to_dict()).encode()
    files["vectors.json"] = _index(program, images, listed, forms)
    progress("writing files")
    replace_folder(files, folder)
    return Vectors(folder, tuple(sorted(files)), program, len(network.layers))


def _index(program: Program, images: Images, maps: list[dict], forms: Sequence[Form]) -> bytes:
    """What the files are, for people and scripts."""
    config = program.config
    index = {
        "generator": f"hwshift {__version__}",
        "network": program.name,
        "images": images.description,
        "activations": str(config.act),
        "bits": config.act.storage_bits,
        "order": "channels, height, width; the last one fastest",
        "forms": list(forms),
        "maps": maps,
        "program": {
            "config_hash": config.hash,
            "launch": launch_of(program).registers(),
            "size": program.size,
            "beat_bytes": config.beat_bytes,
            "tensors": tensor_table(program),
        },
    }
    return (json.dumps(index, indent=1) + "\n").encode()


def _program(program: Program, forms: Sequence[Form]) -> dict[str, bytes]:
    """Instructions as words; the memory image without input; file and text."""
    words = program.words().astype(np.uint32)
    return {
        "program/program.hwprog": program_archive(program),
        "program/program.txt": disassemble(program.instructions).encode(),
        **_forms("program/instructions", words, 4, forms),
        **_memory("program/memory", program.memory_image(), program.config, forms),
    }


def _forms(path: str, values: np.ndarray, width: int, forms: Sequence[Form]) -> dict[str, bytes]:
    """An array in every form; hex: a value per line, two's complement in so many bytes."""
    out: dict[str, bytes] = {}
    if "npy" in forms:
        out[f"{path}.npy"] = _npy(values)
    if "hex" in forms:
        big = values.astype(f">{'u' if values.dtype.kind == 'u' else 'i'}{width}")
        out[f"{path}.hex"] = (big.tobytes().hex("\n", width) + "\n").encode()
    if "h" in forms:
        kind = f"{'u' if values.dtype.kind == 'u' else ''}int{8 * width}_t"
        out[f"{path}.h"] = _header(Path(path).name, kind, values)
    return out


def _memory(
    path: str, memory: np.ndarray, config: AcceleratorConfig, forms: Sequence[Form]
) -> dict[str, bytes]:
    """A memory in every form; hex: for ``$readmemh``, a bus beat per line; h: runs of words other than zero."""
    out: dict[str, bytes] = {}
    if "npy" in forms:
        out[f"{path}.npy"] = _npy(memory)
    if "hex" in forms:
        out[f"{path}.hex"] = memory_hex(memory, config.beat_bytes).encode()
    if "h" in forms:
        out[f"{path}.h"] = _memory_header(Path(path).name, memory)
    return out


def _npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def _header(name: str, kind: str, values: np.ndarray) -> bytes:
    """A C array of one dimension, with its shape."""
    shape = ", ".join(map(str, values.shape))
    name = _identifier(name) if name[0].isalpha() else f"map_{_identifier(name)}"
    lines = [f"/* shape {shape} */", "#include <stdint.h>", f"#define {name.upper()}_COUNT {values.size}",
             f"static const {kind} {name}[{values.size}] = {{", *_rows(values.ravel()), "};", ""]  # fmt: skip
    return "\n".join(lines).encode()


def _rows(values: np.ndarray) -> list[str]:
    texts = [_number(value) for value in values.tolist()]
    return [f"  {', '.join(texts[at : at + _PER_LINE])}," for at in range(0, len(texts), _PER_LINE)]


def _number(value: int) -> str:
    """A constant of C; the least value of 32 bits has no literal of its own."""
    return "-2147483647 - 1" if value == -(1 << 31) else f"{value}u" if value >= 1 << 31 else str(value)


def _memory_header(name: str, memory: np.ndarray) -> bytes:
    """Runs of 32-bit words other than zero: (address, first word, count) of each, and all words one after the other."""
    padded = np.zeros(-(-len(memory) // 64) * 64, np.uint8)
    padded[: len(memory)] = memory
    blocks = padded.view("<u4").reshape(-1, 16)
    used = np.flatnonzero(blocks.any(axis=1))
    breaks = np.flatnonzero(np.diff(used, prepend=-2) > 1)
    ends = [*breaks[1:].tolist(), len(used)]
    pairs = zip(breaks.tolist(), ends, strict=True)
    runs = [f"  {{{64 * int(used[a])}u, {16 * a}u, {16 * (b - a)}u}}," for a, b in pairs]
    words = blocks[used].ravel()
    lines = [
        f"/* {len(memory)} bytes, little-endian; words outside the runs are 0 */",
        "#include <stdint.h>",
        f"#define {name.upper()}_BYTES {len(memory)}",
        f"#define {name.upper()}_RUNS {len(runs)}",
        f"static const struct {{ uint32_t address, first, count; }} {name}_run[{max(1, len(runs))}] = {{",
        *(runs or ["  {0u, 0u, 0u},"]),
        "};",
        f"static const uint32_t {name}_word[{max(1, words.size)}] = {{",
        *(_rows(words) if words.size else ["  0,"]),
        "};",
        "",
    ]
    return "\n".join(lines).encode()


def _identifier(name: str) -> str:
    """A layer's name as part of a file's name and a C identifier."""
    return re.sub(r"[^0-9A-Za-z_]", "_", name)
