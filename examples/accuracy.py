"""Accuracy of the trained networks of the package on all test images of their data sets, in float and fixed point.

    python examples/accuracy.py --fashion DIR --cifar10 DIR [--out FILE]

needs the folder of Fashion-MNIST's official files, and that of CIFAR-10's python batches. Fixed point is the
golden model, bit for bit what the accelerator computes. ``hwshift/zoo/data/accuracy.json`` is this script's
output. Without one of the folders the figures of its networks are taken from there.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwshift.config import PRESETS
from hwshift.data import Dataset, load_for, to_codes
from hwshift.evaluation import batch_size, in_batches
from hwshift.golden import model as golden
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network
from hwshift.resolve import prepare
from hwshift.zoo import trained

RUNS = [
    ("fashion-shiftnet", "float", None),
    ("fashion-shiftnet", "fixed", "8x8-mac"),
    ("fashion-shiftnet", "pow2", "8x8"),
    ("fashion-shiftnet-pow2", "float", None),
    ("fashion-shiftnet-pow2", "pow2", "8x8"),
    ("fashion-shiftnet-pow2", "pow2", "8x8-mac"),
    ("cifar10-shiftresnet20-1", "float", None),
    ("cifar10-shiftresnet20-1", "fixed", "8x8-mac"),
    ("cifar10-shiftresnet20-1", "pow2", "8x8"),
    ("cifar10-shiftresnet20-1-pow2", "float", None),
    ("cifar10-shiftresnet20-1-pow2", "pow2", "8x8"),
    ("cifar10-shiftresnet20-1-pow2", "pow2", "8x8-mac"),
    ("cifar10-resnet20", "float", None),
    ("cifar10-resnet20", "fixed", "8x8-mac"),
    ("cifar10-resnet20", "pow2", "8x8"),
]
"""Network, how its weights are rounded, and the configuration whose arithmetic is used."""

SETS = ("fashion", "cifar10")
"""Data sets; a network's name begins with its own."""

COMMAND = "python examples/accuracy.py --fashion DIR --cifar10 DIR --out hwshift/zoo/data/accuracy.json"


def main() -> None:
    """Evaluate, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST's official idx files")
    parser.add_argument("--cifar10", type=Path, help="folder of CIFAR-10's python batches")
    parser.add_argument("--out", type=Path, help="JSON file; standard output if it is left out")
    args = parser.parse_args()
    known = json.loads((trained.DATA / "accuracy.json").read_text())["runs"]
    document = {"command": COMMAND, "runs": [_entry(run, getattr(args, _set(run)), known) for run in RUNS]}
    text = json.dumps(document, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")


def _set(run: tuple[str, str, str | None]) -> str:
    return run[0].split("-")[0]


def _entry(run: tuple[str, str, str | None], folder: Path | None, known: list[dict]) -> dict:
    if folder is None:
        return next(item for item in known if (item["network"], item["weights"], item["config"]) == run)
    return figures(run, folder)


def figures(run: tuple[str, str, str | None], folder: Path) -> dict:
    """One entry of the file: right answers on all test images, and on those of them that the package holds."""
    name, weights, preset = run
    network = trained.trained_network(name)
    data = load_for(network, folder, split="test")
    right = _right(network, weights, preset, data)
    entry = {
        "network": name,
        "weights": weights,
        "config": preset,
        "images": len(data),
        "correct": int(right.sum()),
        "accuracy": round(float(right.mean()), 4),
    }
    if _set(run) == "fashion":
        shipped = load_for(network, "fashion-test").images
        if not np.array_equal(shipped, data.images[: len(shipped)]):
            raise SystemExit("the first test images are not those of the package")
        entry |= {"images_shipped": len(shipped), "correct_shipped": int(right[: len(shipped)].sum())}
    print(f"{name} {weights} {preset}: {entry['correct']} of {len(data)}", flush=True)
    return entry


def _right(network: Network, weights: str, preset: str | None, data: Dataset) -> np.ndarray:
    """Per image whether the answer is right."""
    classify = classifier(network, weights, preset)
    parts = dict(in_batches(classify, data.images, batch_size(network, len(data)), network.name))
    return np.concatenate([parts[start] for start in sorted(parts)]) == data.labels


def classifier(network: Network, weights: str, preset: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function from normalised images to classes."""
    if preset is None:
        return lambda images: _classes(evaluate_float(network, images))
    config = PRESETS[preset]
    bound = prepare(network, config, weights)

    def classify(images: np.ndarray) -> np.ndarray:
        return _classes(golden.run(bound, config.arithmetic, to_codes(images, config.act)))

    return classify


def _classes(logits: np.ndarray) -> np.ndarray:
    return logits.reshape(len(logits), -1).argmax(axis=1)


if __name__ == "__main__":
    main()
