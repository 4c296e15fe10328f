"""What fixed networks can hold and the accelerator does not compute."""

from hwshift.errors import CompileError
from hwshift.network.fixed import ChannelScale, FixedLayer, FixedNetwork, InstanceNorm, Upsample
from hwshift.network.layer_formats import layer_formats

__all__ = ["check_layers"]

_NOT_YET = (ChannelScale, Upsample)


def check_layers(network: FixedNetwork) -> None:
    """Refuse layers that only the golden model computes.

    Raises
    ------
    CompileError
        Names the first such layer.
    """
    for name, formats in layer_formats(network).items():
        if formats.output != network.act:
            raise CompileError(
                f"its map is in {formats.output}, the others in {network.act}: mixed formats are for studies in the "
                "golden model, an accelerator has one",
                where=name,
            )
    for layer in network.layers:
        _check(layer)


def _check(layer: FixedLayer) -> None:
    if isinstance(layer.op, InstanceNorm):
        raise CompileError(
            "InstanceNorm depends on the statistics of each image, which only the golden model computes",
            where=layer.name,
        )
    missing = [type(layer.op).__name__] if isinstance(layer.op, _NOT_YET) else []
    if layer.epilogue is not None:
        kinds = layer.epilogue.activation.kind, layer.epilogue.residual_activation.kind
        missing += ["Sigmoid"] if "sigmoid" in kinds else []
    if missing:
        raise CompileError(f"{missing[0]} is not in the engine yet", where=layer.name)
