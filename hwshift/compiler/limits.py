"""What fixed networks can hold and the accelerator does not compute."""

from hwshift.config import DEPTHS, AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import ChannelScale, FixedLayer, FixedNetwork, InstanceNorm
from hwshift.network.layer_formats import layer_formats

__all__ = ["check_layers", "raise_to"]


def check_layers(network: FixedNetwork, config: AcceleratorConfig) -> None:
    """Refuse layers that only the golden model computes, or that need what the configuration leaves out.

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
        _check(layer, network, config)


def raise_to(name: str, needed: int) -> str:
    """What to do where a memory of the configuration is not deep enough."""
    high = DEPTHS[name][1]
    if needed > high:
        return f"more than the {high} that it can be"
    enough = -(-needed // 16) * 16 if name == "feature_depth" else 1 << (needed - 1).bit_length()
    return f"raise it to {enough}"


def _check(layer: FixedLayer, network: FixedNetwork, config: AcceleratorConfig) -> None:
    if isinstance(layer.op, InstanceNorm):
        raise CompileError(
            "InstanceNorm depends on the statistics of each image, which only the golden model computes",
            where=layer.name,
        )
    epilogue = layer.epilogue
    kinds = {epilogue.activation.kind, epilogue.residual_activation.kind} if epilogue else set()
    if "sigmoid" in kinds and not config.sigmoid:
        raise CompileError("it needs sigmoid, which the configuration leaves out", where=layer.name)
    if isinstance(layer.op, ChannelScale):
        if not config.gates:
            raise CompileError("it needs gates, which the configuration leaves out", where=layer.name)
        if layer.inputs[1] == network.input.name:
            raise CompileError("its gates have to be computed, not the network's input", where=layer.name)
        if epilogue is not None and epilogue.b.any():
            raise CompileError(
                "its gates are stored without a bias, so it can have none: add one before or after it",
                where=layer.name,
            )
