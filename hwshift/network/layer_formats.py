"""In which format each map of a fixed network is: the network's, or the one its layer names."""

from dataclasses import dataclass

from hwshift.golden.formats import QFormat
from hwshift.network import fixed

__all__ = ["LayerFormats", "formats_of", "keeps_format", "layer_formats"]


@dataclass(frozen=True)
class LayerFormats:
    """Formats around one layer.

    Parameters
    ----------
    inputs : tuple of QFormat
    output : QFormat
        Also that of the biases, of the clamps and of the values that saturate.
    fraction : int
        Fraction bits of what is summed, the finest input's; accumulators have G more.
    residual : QFormat or None
    """

    inputs: tuple[QFormat, ...]
    output: QFormat
    fraction: int
    residual: QFormat | None = None

    @property
    def excess(self) -> int:
        """Fraction bits of what is summed beyond the output's: the scale shifts right by G + s + this."""
        return self.fraction - self.output.n


def keeps_format(op: fixed.LayerOp) -> bool:
    """Whether a layer's output is always in its input's format: moves and the maximum."""
    return isinstance(op, fixed.Move) or (isinstance(op, fixed.Pool) and op.kind == "max")


def layer_formats(network: fixed.FixedNetwork) -> dict[str, LayerFormats]:
    """Formats of every layer, by name.

    Raises
    ------
    ValueError
        From `formats_of`.
    """
    formats: dict[str, LayerFormats] = {}
    for layer in network.layers:
        formats[layer.name] = formats_of(layer, network.act, formats)
    return formats


def formats_of(layer: fixed.FixedLayer, default: QFormat, earlier: dict[str, LayerFormats]) -> LayerFormats:
    """Formats of a layer, given those of all earlier ones.

    Raises
    ------
    ValueError
        When the inputs of a Concat differ, or the layer names another format than the one it keeps.
    """
    inputs = tuple(earlier[name].output for name in layer.inputs)
    residual = None if layer.residual is None else earlier[layer.residual].output
    if not keeps_format(layer.op):
        output = layer.act or default
        summed = inputs[:1] if isinstance(layer.op, fixed.ChannelScale) else inputs or (output,)
        return LayerFormats(inputs, output, max(fmt.n for fmt in summed), residual)
    if len(set(inputs)) > 1:
        raise ValueError(f"all inputs need one format, not {', '.join(map(str, dict.fromkeys(inputs)))}")
    if layer.act not in (None, inputs[0]):
        raise ValueError(
            f"{type(layer.op).__name__} keeps the format of its input, {inputs[0]}, not {layer.act}"
        )
    return LayerFormats(inputs, inputs[0], inputs[0].n, residual)
