"""Network files (``.hwnet``): a zip archive of one JSON text and the arrays it refers to, without pickle.

``network.json`` is ``{"format": "hwshift-network", "version": 2, "kind": ..., "network": ...}`` with the kind
``float`` or ``fixed``. Inside, an object ``{"type": "ops.Conv2d", ...}`` is a dataclass with its fields,
``{"array": k}`` the array in ``arrays/k.npy``, ``{"list": [...]}`` and ``{"dict": {...}}`` those of ``meta``,
``{"float": "inf"}`` a float that JSON cannot write; a bare JSON list is a tuple. Integer arrays are stored in
the narrowest type and read as int64. Version 1 is read as well: it lacks the operators and fields that came
later. No time or name of the machine is stored: files can be compared. A file that would unpack to more than 256 MiB
and more than 100 times its size is refused (`hwshift.network.archive`).
"""

import dataclasses
import io
import json
import math
import os
import zipfile
import zlib

import numpy as np

from hwshift.errors import HwshiftError, NetworkError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import fixed, ops
from hwshift.network.archive import Archive
from hwshift.network.checks import check_map
from hwshift.network.graph import Network, Node
from hwshift.network.verify_fixed import verify_fixed
from hwshift.writing import refusals_as, replace_file

__all__ = ["FORMAT_VERSION", "load", "save"]

FORMAT_VERSION = 2
_READABLE = (1, 2)
_FORMAT = "hwshift-network"
_EPOCH = (1980, 1, 1, 0, 0, 0)

_TYPES: dict[str, type] = {
    "Network": Network,
    "Node": Node,
    "QFormat": QFormat,
    "Pow2Format": Pow2Format,
    **{f"ops.{name}": getattr(ops, name) for name in ops.__all__ if name != "Op"},
    **{
        f"fixed.{cls.__name__}": cls
        for cls in (
            fixed.FixedNetwork,
            fixed.FixedLayer,
            fixed.FixedWeights,
            fixed.Epilogue,
            fixed.Activation,
            fixed.Input,
            fixed.Conv,
            fixed.Pool,
            fixed.Sum,
            fixed.Shift,
            fixed.Concat,
            fixed.Shuffle,
            fixed.ChannelScale,
            fixed.InstanceNorm,
            fixed.Slice,
            fixed.Upsample,
        )
    },
}
_ADDED = {"fixed.FixedLayer": {"act"}}  # fields that version 1 lacks; they have their default there
_TAGS = {cls: tag for tag, cls in _TYPES.items()}


def save(network: Network | fixed.FixedNetwork, path: str | os.PathLike) -> None:
    """Write a network file; an existing one is replaced at once or not at all.

    Raises
    ------
    NetworkError
        When the network is malformed, its `meta` holds something else than text, numbers, lists and dicts,
        or the file cannot be written.
    """
    _verify(network)
    arrays: list[np.ndarray] = []
    text = json.dumps(
        {
            "format": _FORMAT,
            "version": FORMAT_VERSION,
            "kind": _kind(network),
            "network": _encode(network, arrays),
        },
        indent=1,
        allow_nan=False,
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("network.json"), text)
        for number, array in enumerate(arrays):
            archive.writestr(_entry(f"arrays/{number}.npy"), _npy(array))
    with refusals_as(NetworkError, path):
        replace_file(path, buffer.getvalue())


def load(path: str | os.PathLike) -> Network | fixed.FixedNetwork:
    """Read a network file.

    Returns
    -------
    Network or FixedNetwork
        Verified.

    Raises
    ------
    NetworkError
        When the file is missing, damaged, too large, of another version, or holds a malformed network.
    """
    try:
        return _read(path)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
    except NetworkError as error:
        message = _one_line(error)
    except _DAMAGE as error:
        message = f"damaged network file: {_one_line(error)}"
    raise NetworkError(message, where=os.fspath(path))


def _read(path: str | os.PathLike) -> Network | fixed.FixedNetwork:
    with Archive(path) as archive:
        document = archive.document()
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise NetworkError("this is no hwshift network file")
        version, kind = document.get("version"), document.get("kind")
        if version not in _READABLE:
            readable = " and ".join(map(str, _READABLE))
            raise NetworkError(f"file format version {version!r} is not supported, only {readable}")
        network = _decode(document.get("network"), archive)
    if not isinstance(network, Network | fixed.FixedNetwork) or kind != _kind(network):
        raise NetworkError(f"the file does not hold the {kind!r} network it names")
    if not isinstance(network.name, str) or not isinstance(network.meta, dict):
        raise NetworkError("the network needs a name and meta")
    _verify(network)
    _check_maps(network)
    return network


def _check_maps(network: Network | fixed.FixedNetwork) -> None:
    """Refuse maps that no machine would hold: a few bytes of a file can ask for them."""
    shapes = network.shapes() if isinstance(network, Network) else {x.name: x.shape for x in network.layers}
    for name, shape in shapes.items():
        try:
            check_map(shape)
        except ValueError as error:
            raise NetworkError(str(error), where=name) from None


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    RecursionError,
    MemoryError,
    OverflowError,
    HwshiftError,
)


def _one_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]


def _kind(network: Network | fixed.FixedNetwork) -> str:
    return "float" if isinstance(network, Network) else "fixed"


def _verify(network: Network | fixed.FixedNetwork) -> Network | fixed.FixedNetwork:
    return network.verify() if isinstance(network, Network) else verify_fixed(network)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(_narrow(array)), allow_pickle=False)
    return buffer.getvalue()


def _narrow(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "i":
        return array.astype(array.dtype.newbyteorder("<"))
    for dtype in ("<i1", "<i2", "<i4"):
        if not array.size or np.iinfo(dtype).min <= array.min() <= array.max() <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array.astype("<i8")


def _encode(value: object, arrays: list[np.ndarray]) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, list):
        return {"list": [_encode(item, arrays) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, arrays) for key, item in value.items()}}
    if type(value) in _TAGS and dataclasses.is_dataclass(value):
        fields = {item.name: _encode(getattr(value, item.name), arrays) for item in dataclasses.fields(value)}
        return {"type": _TAGS[type(value)], **fields}
    raise NetworkError(f"a network file cannot hold a {type(value).__name__}")


def _decode(value: object, archive: Archive) -> object:
    if isinstance(value, list):
        return tuple(_decode(item, archive) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" in value:
        return _decode_dataclass(value, archive)
    ((tag, content),) = value.items()
    match tag:
        case "array":
            return archive.array(content)
        case "list":
            return [_decode(item, archive) for item in content]
        case "dict":
            return {key: _decode(item, archive) for key, item in content.items()}
        case "float":
            return float(content)
    raise ValueError(f"unknown entry {tag!r}")


def _decode_dataclass(value: dict, archive: Archive) -> object:
    cls = _TYPES.get(value["type"])
    if cls is None:
        raise ValueError(f"unknown type {value['type']!r}")
    names = {item.name for item in dataclasses.fields(cls)}
    given = {name: _decode(item, archive) for name, item in value.items() if name != "type"}
    if not names - _ADDED.get(value["type"], set()) <= set(given) <= names:
        raise ValueError(f"{value['type']} has the fields {sorted(names)}, not {sorted(given)}")
    return cls(**given)
