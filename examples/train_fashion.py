"""Train a small ShiftNet and its bit-shift twin on Fashion-MNIST and save both as hwshift networks.

The twin starts from the trained float weights. Each of its convolutions and linear layers then computes with
signed powers of two, and the gradient passes straight through the rounding; BatchNorm stays in float, as in
DeepShift. The test images are looked at once, after the training.

    python examples/train_fashion.py --data DIR --out DIR

needs the folder of Fashion-MNIST's official files, and hwshift with its extra ``torch``. The same seed, number
of threads and machine give the same networks.
"""

import argparse
import time
from pathlib import Path

import torch
from fashion_data import CLASSES, MEAN, STD, read_set
from shiftnet import ShiftNet, twin_of
from shiftnet_export import largest_difference, to_network
from torch.nn import functional

from hwshift.network.serialize import save

SOURCE = "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), https://github.com/zalandoresearch/fashion-mnist"
LICENCE = (
    "The images are under the MIT licence, Copyright 2017 Zalando SE; the weights under hwshift's licence."
)
TOLERANCE = 1e-3  # between PyTorch's float32 logits and ours


def main() -> None:
    """Train, export, save."""
    args = _arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    train, test = (_tensors(args.data, part) for part in ("train", "test"))
    model = ShiftNet(args.width, args.strides, len(CLASSES))
    args.out.mkdir(parents=True, exist_ok=True)

    _train(model, train, args.epochs, args.rate, args)
    _export(model, test, "fashion-shiftnet", args)
    twin = twin_of(model)
    _train(twin, train, args.twin_epochs, args.twin_rate, args)
    _export(twin, test, "fashion-shiftnet-pow2", args)


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


def _train(
    model: ShiftNet,
    data: tuple[torch.Tensor, torch.Tensor],
    epochs: int,
    rate: float,
    args: argparse.Namespace,
) -> None:
    """AdamW with a one-cycle schedule."""
    images, labels = data
    steps = len(images) // args.batch
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    for epoch in range(epochs):
        model.train()
        begin, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(images))[: steps * args.batch].view(steps, -1):
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
                logits = model(images[rows])
            loss = functional.cross_entropy(logits.float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - begin
        print(f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, {seconds:.0f} s", flush=True)


def _logits(model: ShiftNet, images: torch.Tensor) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in images.split(500)])


def _export(
    model: ShiftNet, test: tuple[torch.Tensor, torch.Tensor], name: str, args: argparse.Namespace
) -> None:
    """Save the network, with its accuracy on the test images; refuse an export that computes something else."""
    images, labels = test
    correct = int((_logits(model, images).argmax(1) == labels).sum())
    meta = {
        "mean": [MEAN],
        "std": [STD],
        "input": "(pixel / 255 - mean) / std",
        "classes": list(CLASSES),
        "source": SOURCE,
        "licence": LICENCE,
        "training": _command(args),
        "float_test_accuracy": correct / len(labels),
    }
    network = to_network(model, name, (1, 28, 28), meta)
    difference = largest_difference(network, _logits(model, images[:256]), images[:256])
    print(
        f"{name}: {correct} of {len(labels)} test images, {network.macs} MACs, {network.parameters} parameters, "
        f"logits differ by at most {difference:.1e}"
    )
    if difference > TOLERANCE:
        raise SystemExit(f"{name}: the exported network is not the trained one")
    save(network, args.out / f"{name}.hwnet")


def _command(args: argparse.Namespace) -> str:
    words = ["python examples/train_fashion.py --data DIR --out DIR"]
    for name, value in vars(args).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] * value
        elif isinstance(value, list):
            words.append(f"{option} {' '.join(map(str, value))}")
        elif not isinstance(value, Path):
            words.append(f"{option} {value}")
    return " ".join(words)


if __name__ == "__main__":
    main()
