"""Which function translates which ONNX operator, and why others are refused."""

from hwshift.importers.onnx_call import Handler
from hwshift.importers.onnx_joins import JOINS
from hwshift.importers.onnx_moves import MOVES
from hwshift.importers.onnx_pointwise import POINTWISE
from hwshift.importers.onnx_resize import resize
from hwshift.importers.onnx_sums import SUMS

__all__ = ["OPERATORS", "REASONS"]

OPERATORS: dict[str, Handler] = {**MOVES, **JOINS, **POINTWISE, **SUMS, "Resize": resize}
"""Operator type to the function that adds it; what depends on constants alone is evaluated before."""

_TABLE = "the accelerator has a table for Sigmoid only"
_FLOW = "the graph must be the same for every image"
_QUANTIZED = "import the float model, rounding is done here"

REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "Elu",
            "Erf",
            "Exp",
            "Gelu",
            "HardSigmoid",
            "HardSwish",
            "Mish",
            "Selu",
            "Softplus",
            "Swish",
            "Tanh",
        ),
        _TABLE,
    ),
    **dict.fromkeys(("LeakyRelu", "PRelu"), "the accelerator's activations are ReLU, clamps and Sigmoid"),
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), _FLOW),
    **dict.fromkeys(("DequantizeLinear", "QLinearConv", "QuantizeLinear", "ConvInteger"), _QUANTIZED),
    **dict.fromkeys(("LogSoftmax", "Softmax"), "it can be the last node only, where it is left out"),
    "ConvTranspose": "use nearest upsampling and a convolution",
    "DepthToSpace": "channels cannot become pixels",
    "SpaceToDepth": "pixels cannot become channels",
    "GroupNormalization": "its statistics depend on the image; BatchNormalization and InstanceNormalization are known",
    "LayerNormalization": "its statistics depend on the image; BatchNormalization and InstanceNormalization are known",
}
"""Why an operator is refused, for those that are met most."""
