"""Write the fixtures in ``data``: ``python tests/importers/export.py``; needs torch and onnxscript."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

DATA = Path(__file__).parent / "data"
FORMS = {"script": False, "dynamo": True}


def exported(module, x, dynamo):
    """The module as PyTorch's exporter gives it, without the long notes of where each node comes from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            model = torch.onnx.export(module, (x,), dynamo=True, verbose=False).model_proto
        else:
            buffer = io.BytesIO()
            torch.onnx.export(module, (x,), buffer, dynamo=False)
            model = onnx.load_from_string(buffer.getvalue())
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    return model


def main():
    """Write one model per module and form, and one archive of inputs and outputs."""
    sys.path.insert(0, str(Path(__file__).parent))
    from modules import MODULES, build

    DATA.mkdir(exist_ok=True)
    results = {}
    for name in MODULES:
        module, x = build(name)
        with torch.no_grad():
            results[f"{name}_x"], results[f"{name}_y"] = x.numpy(), module(x).numpy()
        for form, dynamo in FORMS.items():
            (DATA / f"{name}_{form}.onnx").write_bytes(exported(module, x, dynamo).SerializeToString())
    np.savez_compressed(DATA / "expected.npz", **results)


if __name__ == "__main__":
    main()
