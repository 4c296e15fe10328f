"""Train a small ShiftNet and its bit-shift twin on Fashion-MNIST and save both as hwshift networks.

The twin starts from the trained float weights. Each of its convolutions and linear layers then computes with
signed powers of two, and the gradient passes straight through the rounding; BatchNorm stays in float, as in
DeepShift. The test images are looked at once, after the training.

    python examples/train_fashion.py --data DIR --out DIR

needs the folder of Fashion-MNIST's official files, and hwshift with its extra ``torch``. The same seed, number
of threads and machine give the same networks.
"""

import argparse
from pathlib import Path

import torch
from fashion_data import CLASSES, MEAN, STD, read_set
from shiftnet import ShiftNet, twin_of
from shiftnet_export import command_of, export
from training import Data, fit

SOURCE = "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), https://github.com/zalandoresearch/fashion-mnist"
LICENCE = (
    "The images are under the MIT licence, Copyright 2017 Zalando SE; the weights under hwshift's licence."
)


def main() -> None:
    """Train, export, save."""
    args = _arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    train, test = (_tensors(args.data, part) for part in ("train", "test"))
    data = Data(*train, prepare=lambda images: images)
    model = ShiftNet(1, args.width, args.strides, len(CLASSES))
    args.out.mkdir(parents=True, exist_ok=True)
    meta = {
        "mean": [MEAN],
        "std": [STD],
        "input": "(pixel / 255 - mean) / std",
        "classes": list(CLASSES),
        "source": SOURCE,
        "licence": LICENCE,
        "training": command_of("train_fashion.py", args),
    }

    _train(model, data, args.epochs, args.rate, args)
    export(model, "fashion-shiftnet", *test, meta, args.out)
    twin = twin_of(model)
    _train(twin, data, args.twin_epochs, args.twin_rate, args)
    export(twin, "fashion-shiftnet-pow2", *test, meta, args.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the official idx files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the .hwnet files")
    parser.add_argument("--width", type=int, default=16, help="channels of the stem")
    parser.add_argument("--strides", type=int, nargs="+", default=[2, 1, 2, 1], help="of the modules")
    parser.add_argument("--epochs", type=int, default=10, help="of the float network")
    parser.add_argument("--twin-epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-2, help="peak learning rate of the float network")
    parser.add_argument("--twin-rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="mixed precision: faster where the CPU has instructions for it",
    )
    return parser.parse_args()


def _tensors(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images (images, 1, 28, 28) and labels."""
    images, labels = (torch.from_numpy(array.copy()) for array in read_set(folder, part))
    return ((images.float() / 255 - MEAN) / STD).unsqueeze(1), labels.long()


def _train(model: ShiftNet, data: Data, epochs: int, rate: float, args: argparse.Namespace) -> None:
    """AdamW with a one-cycle schedule."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    steps = len(data.images) // args.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    fit(model, data, args.batch, epochs, optimizer, schedule, args.bfloat16)


if __name__ == "__main__":
    main()
