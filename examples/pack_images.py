"""Pack the first Fashion-MNIST test images, as the package ships them.

python examples/pack_images.py --data DIR --licence FILE --out hwshift/zoo/data/fashion-test.npz
"""

import argparse
from pathlib import Path

import numpy as np
from fashion_data import CLASSES, read_set


def main() -> None:
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the official idx files")
    parser.add_argument("--licence", type=Path, required=True, help="licence text to put in")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=512)
    args = parser.parse_args()
    images, labels = (array[: args.count] for array in read_set(args.data, "test"))
    licence = args.licence.read_text(encoding="utf-8")
    np.savez_compressed(
        args.out, images=images, labels=labels, classes=np.array(CLASSES), licence=np.array(licence)
    )


if __name__ == "__main__":
    main()
