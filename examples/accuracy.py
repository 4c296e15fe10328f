"""Accuracy of the trained networks of the package on all Fashion-MNIST test images, in float and fixed point.

    python examples/accuracy.py --data DIR [--out FILE]

needs the folder of Fashion-MNIST's official files. Fixed point is the golden model, bit for bit what the
accelerator computes. ``hwshift/zoo/data/accuracy.json`` is this script's output.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwshift.config import PRESETS
from hwshift.data import Dataset, load_for, to_codes
from hwshift.golden import model as golden
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.zoo import trained

RUNS = [
    ("fashion-shiftnet", "float", None),
    ("fashion-shiftnet", "fixed", "8x8-mac"),
    ("fashion-shiftnet", "pow2", "8x8"),
    ("fashion-shiftnet-pow2", "float", None),
    ("fashion-shiftnet-pow2", "pow2", "8x8"),
    ("fashion-shiftnet-pow2", "pow2", "8x8-mac"),
]
"""Network, how its weights are rounded, and the configuration whose arithmetic is used."""

BATCH = 500


def main() -> None:
    """Evaluate, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the official idx files")
    parser.add_argument("--out", type=Path, help="JSON file; standard output if it is left out")
    args = parser.parse_args()
    sets = {name: load_for(trained.trained_network(name), args.data, split="test") for name, _, _ in RUNS}
    for name, data in sets.items():
        shipped = load_for(trained.trained_network(name), "fashion-test").images
        if not np.array_equal(shipped, data.images[: len(shipped)]):
            raise SystemExit("the first test images are not those of the package")
    runs = [figures(run, sets[run[0]], len(shipped)) for run in RUNS]
    document = {
        "command": "python examples/accuracy.py --data DIR --out hwshift/zoo/data/accuracy.json",
        "test_images": len(data),
        "shipped_images": len(shipped),
        "runs": runs,
    }
    text = json.dumps(document, indent=1) + "\n"
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")


def figures(run: tuple[str, str, str | None], data: Dataset, shipped: int) -> dict:
    """One entry of the file: correct answers on all images, and on the first `shipped`."""
    name, weights, preset = run
    network = trained.trained_network(name)
    classify = classifier(network, weights, preset)
    starts = range(0, len(data), BATCH)
    correct = np.concatenate([classify(data.images[i : i + BATCH]) for i in starts]) == data.labels
    return {
        "network": name,
        "weights": weights,
        "config": preset,
        "correct": int(correct.sum()),
        "accuracy": round(float(correct.mean()), 4),
        "correct_shipped": int(correct[:shipped].sum()),
    }


def classifier(network: Network, weights: str, preset: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """A function from normalised images to classes."""
    if preset is None:
        return lambda images: _classes(evaluate_float(network, images))
    config = PRESETS[preset]
    bound = bind(quantize(network, act=config.act, weights=weights), config.arithmetic)

    def classify(images: np.ndarray) -> np.ndarray:
        return _classes(golden.run(bound, config.arithmetic, to_codes(images, config.act)))

    return classify


def _classes(logits: np.ndarray) -> np.ndarray:
    return logits.reshape(len(logits), -1).argmax(axis=1)


if __name__ == "__main__":
    main()
