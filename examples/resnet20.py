"""The ResNet-20 for CIFAR-10 of akamaster/pytorch_resnet_cifar10 as a hwshift network, from its trained weights.

    python examples/resnet20.py --weights FILE.npz --out FILE.hwnet

where FILE.npz holds the arrays of the published state dict under their names, without ``module.``:
``numpy.savez(path, **{name: value.numpy() for name, value in state.items()})``.

The network's short cuts (option A) have no weights: where a group halves the map they take every second pixel
of every second row and put zero channels before and after. Here that is a 1x1 convolution with stride 2 and the
weights 0 and 1, the same in every arithmetic. Weights keep 16 significant bits, as many as Q16.16 can use, so
that the file is small; ``--exact`` keeps all 24.
"""

import argparse
from pathlib import Path

import numpy as np

from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.serialize import save

GROUPS = ((1, 16, 1), (2, 32, 2), (3, 64, 2))  # number, channels, stride of the first block
BLOCKS = 3
META = {
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "input": "(pixel / 255 - mean) / std",
    "classes": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "source": "resnet20-12fca82f of Yerlan Idelbayev, https://github.com/akamaster/pytorch_resnet_cifar10, "
    "trained on CIFAR-10 (Krizhevsky 2009)",
    "licence": "BSD-2-Clause, Copyright (c) 2018, Yerlan Idelbayev",
}


def main() -> None:
    """Read, build, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help=".npz file of the state dict")
    parser.add_argument("--out", type=Path, required=True, help=".hwnet file to write")
    parser.add_argument("--exact", action="store_true", help="keep all bits of the weights")
    args = parser.parse_args()
    with np.load(args.weights, allow_pickle=False) as archive:
        state = dict(archive)
    if not args.exact:
        state = {name: to_bits(array, 16) for name, array in state.items()}
    network = resnet20(state)
    save(network, args.out)
    print(f"{args.out}: {network.macs} MACs, {network.parameters} parameters")


def to_bits(array: np.ndarray, bits: int) -> np.ndarray:
    """Round to a number of significant bits, ties to even."""
    fraction, exponent = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits).astype(np.float32)


def resnet20(state: dict[str, np.ndarray]) -> Network:
    """The network of a state dict; BatchNorms are nodes of their own."""
    nodes = [Node("input", ops.Input(3, 32, 32))]

    def add(name: str, op: ops.Op, *inputs: str) -> str:
        nodes.append(Node(name, op, inputs))
        return name

    def conv_norm(source: str, conv: str, norm: str, stride: int = 1) -> str:
        weight = state[f"{conv}.weight"]
        add(conv, ops.Conv2d(weight, stride=(stride, stride), padding=(1, 1, 1, 1)), source)
        return add(norm, _norm(state, norm), conv)

    last = add("relu", ops.ReLU(), conv_norm("input", "conv1", "bn1"))
    channels = 16
    for number, width, first in GROUPS:
        for block in range(BLOCKS):
            name, stride = f"layer{number}.{block}", first if block == 0 else 1
            inner = conv_norm(last, f"{name}.conv1", f"{name}.bn1", stride)
            inner = add(f"{name}.relu1", ops.ReLU(), inner)
            inner = conv_norm(inner, f"{name}.conv2", f"{name}.bn2")
            if stride != 1 or width != channels:
                last = add(f"{name}.shortcut", _short_cut(channels, width, stride), last)
                channels = width
            last = add(f"{name}.relu2", ops.ReLU(), add(f"{name}.add", ops.Add(), inner, last))
    add("pool", ops.GlobalAveragePool(), last)
    add("linear", ops.Linear(state["linear.weight"], state["linear.bias"]), "pool")
    return Network("cifar10-resnet20", tuple(nodes), "linear", META).verify()


def _norm(state: dict[str, np.ndarray], name: str) -> ops.BatchNorm:
    parts = ("weight", "bias", "running_mean", "running_var")
    return ops.BatchNorm(*(state[f"{name}.{part}"] for part in parts), 1e-5)


def _short_cut(inputs: int, outputs: int, stride: int) -> ops.Conv2d:
    """Every `stride`-th pixel; half of the additional channels, zero, before and half after."""
    weight = np.zeros((outputs, inputs, 1, 1), np.float32)
    weight[(outputs - inputs) // 2 + np.arange(inputs), np.arange(inputs)] = 1
    return ops.Conv2d(weight, stride=(stride, stride))


if __name__ == "__main__":
    main()
