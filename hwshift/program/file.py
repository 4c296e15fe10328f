"""Program files (``.hwprog``): a zip archive of one JSON text and raw arrays, without pickle.

``program.json`` is ``{"format": "hwshift-program", "version": 1, "config": {...}, "config_hash": ..., ...}``;
``instructions.bin`` holds the instructions as in memory (64 bytes each), ``segment/<name>.bin`` what a segment of
memory holds before a run, ``placement/<k>.bin`` the placement of tensor k (int32, channels x 3, little-endian).
No time or name of the machine is stored: equal programs give equal files.
"""

import io
import json
import os
import zipfile
import zlib

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import HwshiftError, ProgramError
from hwshift.program.image import Part, Program, Region, Segment, TensorRecord
from hwshift.program.instruction import INSTRUCTION_WORDS, decode
from hwshift.writing import refusals_as, replace_file

__all__ = ["FORMAT_VERSION", "load_program", "program_archive", "save_program"]

FORMAT_VERSION = 1
_FORMAT = "hwshift-program"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, AttributeError, EOFError, IndexError,
           NotImplementedError, RuntimeError, RecursionError, MemoryError, OverflowError, HwshiftError)  # fmt: skip


def save_program(program: Program, path: str | os.PathLike) -> None:
    """Write a program file; an existing one is replaced at once or not at all.

    Raises
    ------
    ProgramError
        When the file cannot be written.
    """
    with refusals_as(ProgramError, path):
        replace_file(path, program_archive(program))


def program_archive(program: Program) -> bytes:
    """The bytes of a program file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("program.json"), json.dumps(_document(program), indent=1))
        archive.writestr(_entry("instructions.bin"), program.words().astype("<u4").tobytes())
        for segment in program.segments:
            if segment.data is not None:
                archive.writestr(_entry(f"segment/{segment.name}.bin"), segment.data.tobytes())
        for number, record in enumerate((*program.tensors, *program.gates)):
            archive.writestr(_entry(f"placement/{number}.bin"), record.placement.astype("<i4").tobytes())
    return buffer.getvalue()


def load_program(path: str | os.PathLike, config: AcceleratorConfig | None = None) -> Program:
    """Read a program file.

    Parameters
    ----------
    path : path
    config : AcceleratorConfig or None
        The accelerator it is to run on; None: any.

    Raises
    ------
    ProgramError
        When the file is missing, damaged, of another version or for another configuration.
    """
    where = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read("program.json"))
            _check_format(document)
            program = _program(document, archive)
    except OSError as error:
        raise ProgramError(f"cannot be read: {error.strerror or error}", where=where) from None
    except _Refused as error:
        raise ProgramError(error.message, where=where) from None
    except _DAMAGE as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise ProgramError(f"damaged program file: {text}", where=where) from None
    if config is not None:
        program.check_config(config)
    return program


class _Refused(ProgramError):
    """A file that is whole, but not ours to read."""


def _check_format(document: object) -> None:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise _Refused("this is no hwshift program file")
    if document.get("version") != FORMAT_VERSION:
        version = document.get("version")
        raise _Refused(f"file format version {version!r} is not supported, only {FORMAT_VERSION}")


def _document(program: Program) -> dict:
    return {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "name": program.name,
        "config": program.config.to_dict(),
        "config_hash": program.config_hash,
        "size": program.size,
        "output": program.output,
        "regions": {name: [region.base, region.limit] for name, region in program.regions.items()},
        "segments": [
            {"name": item.name, "base": item.base, "size": item.size, "data": item.data is not None}
            for item in program.segments
        ],
        "tensors": [
            {
                "layer": item.layer,
                "shape": list(item.shape),
                "layout": item.layout,
                "parts": [[part.address, part.slots, part.lanes] for part in item.parts],
            }
            for item in (*program.tensors, *program.gates)
        ],
        "layers": list(program.layers),
    }


def _program(document: dict, archive: zipfile.ZipFile) -> Program:
    config = AcceleratorConfig.from_dict(document["config"])
    if config.hash != document["config_hash"]:
        raise ValueError(
            f"the configuration's hash is 0x{config.hash:08x}, not 0x{document['config_hash']:08x}"
        )
    words = np.frombuffer(archive.read("instructions.bin"), "<u4").reshape(-1, INSTRUCTION_WORDS)
    segments = []
    for item in document["segments"]:
        data = None
        if item["data"]:
            data = np.frombuffer(archive.read(f"segment/{item['name']}.bin"), np.uint8)
        segments.append(Segment(item["name"], item["base"], item["size"], data))
    records = [_tensor(number, item, archive) for number, item in enumerate(document["tensors"])]
    return Program(
        document["name"],
        config,
        tuple(decode(row) for row in words),
        tuple(segments),
        {name: Region(*values) for name, values in document["regions"].items()},
        tuple(record for record in records if record.layout != "gates"),
        document["size"],
        document["output"],
        tuple(document["layers"]),
        tuple(record for record in records if record.layout == "gates"),
    )


def _tensor(number: int, item: dict, archive: zipfile.ZipFile) -> TensorRecord:
    placement = np.frombuffer(archive.read(f"placement/{number}.bin"), "<i4").astype(np.int64).reshape(-1, 3)
    parts = tuple(Part(*values) for values in item["parts"])
    channels, height, width = item["shape"]
    if len(placement) != channels:
        raise ValueError(f"the placement of {item['layer']} has {len(placement)} channels, not {channels}")
    return TensorRecord(item["layer"], (channels, height, width), item["layout"], parts, placement)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
