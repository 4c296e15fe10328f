import dataclasses
import io
import json
import os
import re
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.golden.formats import QFormat
from hwshift.network import fixed, ops
from hwshift.network.archive import MAX_DOCUMENT, most_bytes
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.random import gated_network, mixed_network
from hwshift.network.serialize import load, save

from ..seeds import generator

FLOAT = mixed_network(1)
GATED = gated_network(1)
NETWORKS = {
    "float": dataclasses.replace(
        FLOAT,
        meta={"classes": ["a", "ä"], "mean": [0.1, 0.2], "size": (3, 4), "note": None, "deep": {"x": 1}},
    ),
    "pow2": quantize(FLOAT),
    "fixed": quantize(FLOAT, weights="fixed", act=QFormat(8, 8), shift="moved"),
    "gated": GATED,
    "gated fixed": quantize(GATED, weights="fixed", formats={"gate": QFormat(2, 14)}),
    "clamp": Network(
        "net", (Node("input", ops.Input(1, 1, 1)), Node("c", ops.Clamp(-np.inf, 0.1), ("input",))), "c"
    ),
}


def same(a, b):
    """Equality of nested dataclasses, tuples and arrays, types included."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for item in dataclasses.fields(a):
            same(getattr(a, item.name), getattr(b, item.name))
    elif isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.hwnet"


def test_round_trip(network, path):
    save(network, path)
    same(load(path), network)


def test_float32_stays_float32(path):
    conv = ops.Conv2d(np.ones((1, 1, 1, 1), np.float32))
    net = Network("net", (Node("input", ops.Input(1, 1, 1)), Node("c", conv, ("input",))), "c")
    save(net, path)
    assert load(path).nodes[1].op.weight.dtype == np.float32


def test_the_same_bytes(network, path):
    save(network, path)
    first = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == first


def test_document(path):
    save(NETWORKS["clamp"], path)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("network.json")) == {
            "format": "hwshift-network",
            "version": 2,
            "kind": "float",
            "network": {
                "type": "Network",
                "name": "net",
                "nodes": [
                    {
                        "type": "Node",
                        "name": "input",
                        "op": {"type": "ops.Input", "channels": 1, "height": 1, "width": 1},
                        "inputs": [],
                    },
                    {
                        "type": "Node",
                        "name": "c",
                        "op": {"type": "ops.Clamp", "lo": {"float": "-inf"}, "hi": 0.1},
                        "inputs": ["input"],
                    },
                ],
                "output": "c",
                "meta": {"dict": {}},
            },
        }


def test_permissions_follow_the_umask(path):
    mask = os.umask(0o027)
    try:
        save(NETWORKS["clamp"], path)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    message = f"{path}: cannot be written: No space left on device"
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        save(NETWORKS["clamp"], path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["net.hwnet"]


def test_unknown_values_in_meta(path):
    with pytest.raises(NetworkError, match="^a network file cannot hold a set$"):
        save(dataclasses.replace(FLOAT, meta={"x": {1}}), path)
    assert not path.exists()


def test_malformed_networks_are_not_written(path):
    with pytest.raises(NetworkError, match="^mixed-1: the output 'x' is not a node$"):
        save(dataclasses.replace(FLOAT, output="x"), path)
    assert not path.exists()


def rewrite(path, change, extra=()):
    """Save a network, change its document, and put more entries beside it."""
    save(NETWORKS["clamp"], path)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("network.json"))
    document = change(document) or document
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network.json", json.dumps(document))
        for name, data in extra:
            archive.writestr(name, data)


def clamp(document):
    return document["network"]["nodes"][1]["op"]


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def pickled():
    return npy(np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "this is no hwshift network file"),
        (lambda d: [d], "this is no hwshift network file"),
        (lambda d: d.update(version=3), "file format version 3 is not supported, only 1 and 2"),
        (lambda d: d.update(kind="fixed"), "the file does not hold the 'fixed' network it names"),
        (
            lambda d: d.update(network=clamp(d)),
            "the file does not hold the 'float' network it names",
        ),
        (lambda d: clamp(d).update(type="os.system"), "damaged network file: unknown type 'os.system'"),
        (
            lambda d: clamp(d).update(extra=1),
            "damaged network file: ops.Clamp has the fields ['hi', 'lo'], not ['extra', 'hi', 'lo']",
        ),
        (lambda d: clamp(d).update(lo={"bytes": "x"}), "damaged network file: unknown entry 'bytes'"),
        (
            lambda d: clamp(d).update(lo={"array": "x"}),
            "damaged network file: an array's number must be an integer, not 'x'",
        ),
        (
            lambda d: clamp(d).update(lo={"array": 7}),
            "damaged network file: \"There is no item named 'arrays/7.npy' in the archive\"",
        ),
        (lambda d: clamp(d).update(lo={"array": 1}), "damaged network file: array 1 is malformed"),
        (lambda d: clamp(d).update(lo={"array": 2}), "damaged network file: array 2 is malformed"),
        (lambda d: d["network"].update(name=None), "the network needs a name and meta"),
        (lambda d: d["network"].update(meta=[]), "the network needs a name and meta"),
        (
            lambda d: clamp(d).update(lo={"array": 0}),
            "damaged network file: array 0 is malformed",
        ),
        (lambda d: clamp(d).update(lo=1.0), "c: clamp needs lo < hi, not 1.0 and 0.1"),
        (lambda d: d["network"].update(output="x"), "net: the output 'x' is not a node"),
    ],
)
def test_damaged_documents(path, change, message):
    entries = [pickled(), npy(np.ones(1, bool)), npy(np.ones(1)) + b"x"]
    rewrite(path, change, [(f"arrays/{i}.npy", data) for i, data in enumerate(entries)])
    with pytest.raises(NetworkError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load(path)


def in_little_memory(path, message):
    """The file is refused with this message, and what was allocated on the way stays small."""
    tracemalloc.start()
    try:
        with pytest.raises(NetworkError, match=f"^{re.escape(f'{path}: {message}')}$"):
            load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 27


def header(shape, dtype="<f8"):
    """The head of an .npy file, without the numbers."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_a_file_that_unpacks_to_gigabytes(path):
    """A deflated entry of zeros, a thousand times as large as in the file."""
    rewrite(path, lambda d: clamp(d).update(lo={"array": 0}), [])
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("arrays/0.npy", "w", force_zip64=True) as stream,
    ):
        for _ in range(320):
            stream.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    in_little_memory(path, f"it would take more than the {1 << 28} bytes that a file of its size may")


@pytest.mark.parametrize("size", [100, 1 << 31])
def test_a_file_that_lies_about_sizes(path, size):
    """The central directory claims less, or more, than there is."""
    rewrite(path, lambda d: clamp(d).update(lo={"array": 0}), [("arrays/0.npy", npy(np.zeros(1 << 22)))])
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"arrays/0.npy"))
    data[at + 24 : at + 28] = size.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(NetworkError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    in_little_memory(path, str(caught.value).removeprefix(f"{path}: "))


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 62, 1 << 62), (-1,), (0, 1 << 62)])
def test_an_array_larger_than_its_data(path, shape):
    rewrite(path, lambda d: clamp(d).update(lo={"array": 0}), [("arrays/0.npy", header(shape) + bytes(8))])
    in_little_memory(path, "damaged network file: array 0 is malformed")


def test_one_array_in_many_places(path):
    """Each would be an array of its own in memory."""
    rewrite(
        path,
        lambda d: clamp(d).update(lo={"list": [{"array": 0}] * 1000}),
        [("arrays/0.npy", npy(np.zeros(1 << 20)))],
    )
    in_little_memory(path, "damaged network file: array 0 stands in two places")


def test_narrow_integers_that_become_wide(path):
    """300 MB as int64, 38 MB as int8, almost nothing in the file."""
    rewrite(path, lambda d: clamp(d).update(lo={"array": 0}), [])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arrays/0.npy", npy(np.zeros(37_500_000, np.int8)))
    in_little_memory(path, f"it would take more than the {1 << 28} bytes that a file of its size may")


def test_a_long_document(path):
    rewrite(path, lambda d: d["network"].update(name=" " * MAX_DOCUMENT), [])
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("network.json").file_size
    in_little_memory(path, f"network.json has {size} bytes, {MAX_DOCUMENT} are allowed")


def test_maps_that_no_machine_holds(path):
    """2**43 values in a file of a few hundred bytes, whatever makes them."""
    vast = Node("input", ops.Input(8, 1 << 20, 1 << 20), ())
    small = Node("input", ops.Input(1, 4, 4), ())
    for first, op in ((vast, ops.ReLU()), (small, ops.UpsampleNearest((1 << 20, 1 << 20)))):
        save(Network("net", (first, Node("a", op, ("input",))), "a"), path)
        name, shape = ("input", (8, 1 << 20, 1 << 20)) if first is vast else ("a", (1, 1 << 22, 1 << 22))
        in_little_memory(
            path, f"{name}: a map of the shape {shape} is too large: {1 << 28} elements are allowed"
        )
    layer = fixed.FixedLayer("x", fixed.Input(), (), (1, 1 << 20, 1 << 20))
    save(fixed.FixedNetwork("net", QFormat(), (layer,)), path)
    in_little_memory(
        path, f"x: a map of the shape (1, 1048576, 1048576) is too large: {1 << 28} elements are allowed"
    )


@pytest.mark.parametrize(
    ("size", "most"), [(0, 1 << 28), (1 << 20, 1 << 28), (10**7, 10**9), (10**8, 1 << 32)]
)
def test_memory_of_arrays(size, most):
    assert most_bytes(size) == most


def test_version_1_is_read(path):
    """Files from before layers had formats of their own: no field `act` in any layer."""
    save(NETWORKS["fixed"], path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(entries["network.json"])
    document["version"] = 1
    for layer in document["network"]["layers"]:
        assert layer.pop("act") is None
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**entries, "network.json": json.dumps(document)}.items():
            archive.writestr(name, data)
    same(load(path), NETWORKS["fixed"])


def test_missing_file(path):
    with pytest.raises(NetworkError, match=f"^{re.escape(str(path))}: cannot be read: No such file"):
        load(path)


def test_other_files(path):
    for data in (b"", b"text", pickled()):
        path.write_bytes(data)
        with pytest.raises(NetworkError, match="damaged network file: File is not a zip file$"):
            load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(NetworkError, match="damaged network file: \"There is no item named 'network.json'"):
        load(path)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_is_one_line_or_harmless(path, seed):
    """Cut files and flipped bytes: a NetworkError of one line, or a network that is well formed."""
    save(NETWORKS["fixed"], path)
    good = path.read_bytes()
    rng = generator(seed)
    for _ in range(150):
        data = bytearray(good)
        if rng.random() < 0.2:
            del data[int(rng.integers(len(data))) :]
        else:
            for at in rng.integers(len(data), size=rng.integers(1, 4)):
                data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(data))
        try:
            with warnings.catch_warnings(action="ignore"):
                load(path)
        except NetworkError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("seed", range(4))
def test_random_values_are_one_line_or_harmless(path, seed):
    """Any value of the document replaced by any other: as above, with the archive intact."""
    save(NETWORKS["fixed"], path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    rng = generator(seed)
    for _ in range(60):
        document = json.loads(entries["network.json"])
        place, key = document, "network"
        while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.9:
            place = place[key]
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = keys[int(rng.integers(len(keys)))]
        values = [None, -1, 0, 10**30, 1.5, "x", [], [1, 2], {}, {"array": 0}, {"array": 3}, {"dict": {}}]
        place[key] = values[int(rng.integers(len(values)))]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**entries, "network.json": json.dumps(document)}.items():
                archive.writestr(name, data)
        try:
            load(path)
        except NetworkError as error:
            assert "\n" not in str(error)
