"""Rounding a network to fixed point: formats chosen or given, and what it does to weights and values."""

from hwshift.quantization.calibrate import Calibration, LayerRange, calibrate
from hwshift.quantization.deepshift import PS_FORMAT, apply_ps, load_ps
from hwshift.quantization.named import quantize_named
from hwshift.quantization.report import LayerRounding, Rounding, SaturationWarning, quantize_network

__all__ = [
    "PS_FORMAT",
    "Calibration",
    "LayerRange",
    "LayerRounding",
    "Rounding",
    "SaturationWarning",
    "apply_ps",
    "calibrate",
    "load_ps",
    "quantize_network",
    "quantize_named",
]
