"""Networks by name: small ones for tests, trained ones, and the published ones.

`NETWORKS` maps a name to a function without arguments that gives the network: examples and trained networks. The
function is called when the network is asked for, so that heavy imports and weights belong inside it. The published
networks are families with options: `names` lists them, `build` makes one, with seeded random weights.
"""

from collections.abc import Callable

from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.random import csc_network, mixed_network
from hwshift.zoo.catalog import build, from_text, names, suggest
from hwshift.zoo.genotype import Genotype

__all__ = [
    "NETWORKS",
    "Genotype",
    "build",
    "cifar10_resnet20",
    "cifar10_shiftresnet20_1",
    "cifar10_shiftresnet20_1_pow2",
    "csc_small",
    "fashion_shiftnet",
    "fashion_shiftnet_pow2",
    "from_text",
    "mixed",
    "names",
    "suggest",
]


def csc_small() -> Network:
    """Two conv-shift-conv modules with seeded random weights, on 3 x 12 x 12: small enough for any simulator."""
    return csc_network(8, 12, 12, modules=2, stride2=(1,), seed=0)


def mixed() -> Network:
    """Every operator once, with seeded random weights, on 3 x 18 x 17."""
    return mixed_network(0)


def fashion_shiftnet() -> Network:
    """A ShiftNet trained on Fashion-MNIST, 1 x 28 x 28."""
    return _trained("fashion-shiftnet")


def fashion_shiftnet_pow2() -> Network:
    """Its bit-shift twin: every weight is a signed power of two."""
    return _trained("fashion-shiftnet-pow2")


def cifar10_shiftresnet20_1() -> Network:
    """ShiftResNet20-1 of the Shift paper (CVPR 2018), trained on CIFAR-10, 3 x 32 x 32."""
    return _trained("cifar10-shiftresnet20-1")


def cifar10_shiftresnet20_1_pow2() -> Network:
    """Its bit-shift twin: every weight is a signed power of two."""
    return _trained("cifar10-shiftresnet20-1-pow2")


def cifar10_resnet20() -> Network:
    """A ResNet-20 with 3x3 convolutions, trained on CIFAR-10 by others, 3 x 32 x 32."""
    return _trained("cifar10-resnet20")


def _trained(name: str) -> Network:
    from hwshift.zoo.trained import trained_network

    return trained_network(name)


NETWORKS: dict[str, Callable[[], Network | FixedNetwork]] = {
    "csc-small": csc_small,
    "mixed": mixed,
    "fashion-shiftnet": fashion_shiftnet,
    "fashion-shiftnet-pow2": fashion_shiftnet_pow2,
    "cifar10-shiftresnet20-1": cifar10_shiftresnet20_1,
    "cifar10-shiftresnet20-1-pow2": cifar10_shiftresnet20_1_pow2,
    "cifar10-resnet20": cifar10_resnet20,
}
"""Examples and trained networks."""
