"""Train ShiftResNet20-1 and its bit-shift twin on CIFAR-10 and save both as hwshift networks.

The network of Wu et al., "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions" (CVPR 2018),
as its published code builds it: 3x3 stem to 16 channels, three groups of three conv-shift-conv modules with 16,
32 and 64 channels, expansion 1. The twin starts from the trained float weights and computes with signed powers
of two in every convolution and in the classifier; the gradient passes straight through the rounding. The test
images are looked at once, after the training.

    python examples/train_cifar.py --data DIR --out DIR

needs CIFAR-10's python version, and hwshift with its extra ``torch``. A run that was interrupted goes on from
the checkpoints in the folder of ``--out``.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from shiftnet import ShiftNet, twin_of
from shiftnet_export import command_of, export
from torch.nn import functional
from training import Data, fit, settle

from hwshift.data.cifar import read_batch_folder

SOURCE = "CIFAR-10 (Krizhevsky 2009), https://www.cs.toronto.edu/~kriz/cifar.html"
LICENCE = (
    "The images were published without a licence and are not in the package; the weights are under hwshift's."
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Per channel of the training images, scaled to 0..1."""

STRIDES = (1, 1, 1, 2, 1, 1, 2, 1, 1)
SIDE, MARGIN = 32, 4
SMALL = 24  # side of the crops of the first epochs, which take little more than half the time
WARM_UP = 2  # epochs


def main() -> None:
    """Train, export, save."""
    args = _arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    train, test = _training_images(args.data), _test_images(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    meta = {
        "mean": list(MEAN),
        "std": list(STD),
        "input": "(pixel / 255 - mean) / std",
        "classes": list(CLASSES),
        "source": SOURCE,
        "licence": LICENCE,
        "training": command_of("train_cifar.py", args),
    }

    model = ShiftNet(3, 16, STRIDES, len(CLASSES))
    _train(model, train, "float", (args.epochs, args.decay, args.small), args.rate, args)
    export(model, "cifar10-shiftresnet20-1", *test, meta, args.out)
    twin = twin_of(model)
    lengths = args.twin_epochs, args.twin_epochs - WARM_UP, 0
    _train(twin, train, "pow2", lengths, args.twin_rate, args)
    export(twin, "cifar10-shiftresnet20-1-pow2", *test, meta, args.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the python batches")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and .hwnet files")
    parser.add_argument("--epochs", type=int, default=80, help="of the float network")
    parser.add_argument("--decay", type=int, default=40, help="last epochs of them, with a falling rate")
    parser.add_argument("--small", type=int, default=40, help="first epochs of them, on crops of 24 x 24")
    parser.add_argument("--twin-epochs", type=int, default=25)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="highest learning rate of the float network")
    parser.add_argument("--twin-rate", type=float, default=0.02)
    parser.add_argument("--weight-decay", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="mixed precision: faster where the CPU has instructions for it",
    )
    parser.add_argument("--compiled", action="store_true", help="with torch.compile: needs a C++ compiler")
    return parser.parse_args()


def _training_images(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 of shape (images, 40, 40, 3), reflected at the borders, and labels."""
    source = read_batch_folder(folder, "train")
    pixels = torch.from_numpy(source.images.transpose(0, 3, 1, 2).copy())
    images = functional.pad(pixels.float(), (MARGIN,) * 4, mode="reflect").byte()
    return images.permute(0, 2, 3, 1).contiguous(), torch.from_numpy(source.labels)


def _test_images(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    source = read_batch_folder(folder, "test")
    return _normalise(torch.from_numpy(source.images.copy())), torch.from_numpy(source.labels)


def _crops(images: torch.Tensor, side: int) -> torch.Tensor:
    """Of each image a random crop of `side` x `side` pixels, mirrored or not, normalised."""
    count, places = len(images), images.shape[1] - side + 1
    y, x = (torch.randint(places, (count, 1)) + torch.arange(side) for _ in range(2))
    x = torch.where(torch.rand(count, 1) < 0.5, x, x.flip(1))
    return _normalise(images[torch.arange(count)[:, None, None], y[:, :, None], x[:, None, :]])


def _normalise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (images, height, width, channels) to float32 (images, channels, height, width)."""
    mean, std = (torch.tensor(values) * 255 for values in (MEAN, STD))
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)


def _train(
    model: ShiftNet,
    images: tuple,
    name: str,
    lengths: tuple[int, int, int],
    rate: float,
    args: argparse.Namespace,
) -> None:
    """SGD; the rate rises in the first epochs, is constant, and falls to zero in a line.

    `lengths` are all epochs, the last of them that have the falling rate, and the first that see small crops.
    """
    epochs, decay, small = lengths
    optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=args.weight_decay
    )
    steps = len(images[0]) // args.batch

    def factor(step: int) -> float:
        return min(1, (step + 1) / (WARM_UP * steps), max(0, epochs * steps - step) / (decay * steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    checkpoint = args.out / f"{name}.pt"
    for side, until in ((SMALL, small), (SIDE, epochs)):
        data = Data(*images, partial(_crops, side=side))
        fit(model, data, args.batch, until, optimizer, schedule, args.bfloat16, args.compiled, checkpoint)
    settle(model, data, args.batch)


if __name__ == "__main__":
    main()
