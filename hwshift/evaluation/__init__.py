"""Accuracy of a network on images, and what an arithmetic changes in its outputs and in every layer."""

from hwshift.evaluation.batches import Advance, batch_size, in_batches
from hwshift.evaluation.evaluate import Evaluation, check_labels, evaluate
from hwshift.evaluation.layers import (
    LayerScore,
    LayerTally,
    float_maps,
    headroom_bits,
    layer_kinds,
    tally_layers,
)
from hwshift.evaluation.models import FixedModel, Formats, describe, own_arithmetic, parse_formats
from hwshift.evaluation.notation import parse_any_weight_format, parse_guard, parse_weight_format
from hwshift.evaluation.scores import Score, finite, score, sqnr_db, tally

__all__ = [
    "Advance",
    "Evaluation",
    "FixedModel",
    "Formats",
    "LayerScore",
    "LayerTally",
    "Score",
    "batch_size",
    "check_labels",
    "describe",
    "evaluate",
    "finite",
    "float_maps",
    "headroom_bits",
    "in_batches",
    "layer_kinds",
    "own_arithmetic",
    "parse_any_weight_format",
    "parse_formats",
    "parse_guard",
    "parse_weight_format",
    "score",
    "sqnr_db",
    "tally",
    "tally_layers",
]
