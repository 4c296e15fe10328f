"""Networks trained on real images, and images to run them on; both are files of the package."""

from pathlib import Path

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network.graph import Network
from hwshift.network.serialize import load

__all__ = ["DATA", "TRAINED", "test_images", "trained_network"]

DATA = Path(__file__).parent / "data"
"""Folder of the networks, images, accuracies and licences."""

TRAINED = (
    "fashion-shiftnet",
    "fashion-shiftnet-pow2",
    "cifar10-shiftresnet20-1",
    "cifar10-shiftresnet20-1-pow2",
    "cifar10-resnet20",
)
"""Names of the trained networks. Each begins with its data set; with the end -pow2 the weights are signed powers
of two."""


def trained_network(name: str) -> Network:
    """A trained network; `meta` tells classes, normalisation, source, licence and training.

    Parameters
    ----------
    name : str
        One of `TRAINED`.

    Raises
    ------
    NetworkError
        For another name.
    """
    if name not in TRAINED:
        raise NetworkError(f"a trained network is one of {', '.join(TRAINED)}, not {name!r}")
    network = load(DATA / f"{name}.hwnet")
    assert isinstance(network, Network)
    return network


def test_images() -> tuple[np.ndarray, np.ndarray]:
    """The first images of Fashion-MNIST's test set, in its order.

    Returns
    -------
    images : ndarray of uint8, shape (images, 28, 28)
    labels : ndarray of uint8, shape (images,)
        Indices into the networks' ``meta["classes"]``.
    """
    with np.load(DATA / "fashion-test.npz", allow_pickle=False) as archive:
        return archive["images"], archive["labels"]
