"""Passes: frozen values with ``run(network) -> network``; the network is verified before and after each."""

from hwshift.network.passes.base import Pass, run_passes
from hwshift.network.passes.cleanup import RemoveDead, RemoveIdentities
from hwshift.network.passes.fold_batchnorm import FoldBatchNorm
from hwshift.network.passes.recognize_shift import RecognizeShift
from hwshift.network.passes.round_weights import RoundWeights

__all__ = [
    "PASSES",
    "FoldBatchNorm",
    "Pass",
    "RecognizeShift",
    "RemoveDead",
    "RemoveIdentities",
    "RoundWeights",
    "run_passes",
]

PASSES: dict[str, type[Pass]] = {
    "fold-batchnorm": FoldBatchNorm,
    "recognize-shift": RecognizeShift,
    "remove-dead": RemoveDead,
    "remove-identities": RemoveIdentities,
    "round-weights": RoundWeights,
}
"""All passes by the name the command line uses."""
