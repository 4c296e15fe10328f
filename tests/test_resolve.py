"""Tests of `hwshift.resolve`: names and files to networks, networks to bound networks."""

import pytest

from hwshift.config import PRESETS, load_config
from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.fixed import Conv
from hwshift.network.graph import Network
from hwshift.network.random import csc_network
from hwshift.network.serialize import save
from hwshift.resolve import LOADERS, load_network, prepare
from hwshift.zoo import NETWORKS

TINY = csc_network(4, 4, 4, 1, classes=3, seed=1)


def formats(network):
    return {layer.op.weights.fmt for layer in network.layers if isinstance(layer.op, Conv)}


@pytest.mark.parametrize("name", ["csc-small", "mixed"])
def test_built_in(name):
    network = load_network(name)
    assert isinstance(network, Network)
    assert network.verify() is network
    assert NETWORKS[name]().name == network.name


@pytest.mark.parametrize("suffix", [".hwnet", ".HWNET"])
def test_file(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    save(TINY, path)
    assert load_network(path).name == "csc-1"
    assert load_network(str(path)).name == "csc-1"


def test_saved_fixed_network(tmp_path):
    bound = prepare(TINY, PRESETS["4x4"])
    save(bound, tmp_path / "fixed.hwnet")
    again = prepare(load_network(tmp_path / "fixed.hwnet"), PRESETS["4x4"])
    assert [layer.name for layer in again.layers] == [layer.name for layer in bound.layers]


def test_unknown(tmp_path):
    names = ", ".join(NETWORKS)
    endings = ", ".join(LOADERS)
    rest = f"built-in: {names} and those of `hwshift networks`; or a file that ends in {endings}"
    with pytest.raises(NetworkError) as caught:
        load_network("nope")
    assert str(caught.value) == f"nope: no such network; {rest}"
    with pytest.raises(NetworkError) as caught:
        load_network("ShiftStile@64")
    assert str(caught.value) == f"ShiftStile@64: no such network; did you mean ShiftStyle? {rest}"
    with pytest.raises(NetworkError, match=r"gone.hwnet: no such network file$"):
        load_network(tmp_path / "gone.hwnet")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(NetworkError, match=r"a.txt: a network file must end in \.hwnet"):
        load_network(tmp_path / "a.txt")


@pytest.mark.parametrize(("config", "weights", "fmt"), [
    ("4x4", None, Pow2Format()),
    ("4x4-mac", None, QFormat()),
    ("4x4-mac", "pow2", QFormat()),
])  # fmt: skip
def test_weights(config, weights, fmt):
    assert formats(prepare(TINY, PRESETS[config], weights)) == {fmt}


def test_formats_of_the_configuration(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('preset = "4x4"\nact = "Q8.8"\nweights = [-7, 0]\nbus_width = 32\n')
    bound = prepare(TINY, load_config(path))
    assert (bound.act, formats(bound)) == (QFormat(8, 8), {Pow2Format(-7, 0)})


def test_fixed_weights_on_shift_add():
    with pytest.raises(
        QuantizeError, match=r"^stem: Q16.16 weights cannot run on a shift_add array: convert to pow2$"
    ):
        prepare(TINY, PRESETS["4x4"], "fixed")
