"""Networks trained on real images, and images to run them on; both are files of the package."""

from pathlib import Path

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network.graph import Network
from hwshift.network.serialize import load

__all__ = ["DATA", "TRAINED", "input_values", "test_images", "trained_network"]

DATA = Path(__file__).parent / "data"
"""Folder of the networks, images, accuracies and licences."""

TRAINED = ("fashion-shiftnet", "fashion-shiftnet-pow2")
"""Names of the trained networks; the second's weights are signed powers of two."""


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


def input_values(network: Network, images: np.ndarray) -> np.ndarray:
    """Images as a network's input: ``(x / 255 - mean) / std`` with ``mean`` and ``std`` of its `meta`.

    The codes for a fixed-point network are ``network.act.floor`` of these values.

    Parameters
    ----------
    network : Network
    images : ndarray of uint8, shape (images, height, width) or (images, channels, height, width)

    Returns
    -------
    ndarray of float64, shape (images, channels, height, width)

    Raises
    ------
    NetworkError
        When `meta` does not tell the normalisation, or the images do not have the input's shape.
    """
    if not {"mean", "std"} <= network.meta.keys():
        raise NetworkError("its meta does not tell mean and std of the input", where=network.name)
    shape = network.nodes[0].op.shape(())
    data = images[:, None] if images.ndim == 3 else images
    if data.shape[1:] != shape:
        raise NetworkError(
            f"images of the shape {shape} are needed, not {data.shape[1:]}", where=network.name
        )
    mean, std = (np.asarray(network.meta[key], np.float64).reshape(-1, 1, 1) for key in ("mean", "std"))
    return (data / 255 - mean) / std
