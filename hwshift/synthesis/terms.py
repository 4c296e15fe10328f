"""What the area of each block is made of: a few terms with a meaning, whose weights `hwshift.synthesis.fit` finds."""

from collections.abc import Callable, Mapping
from math import gcd

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES
from hwshift.synthesis.widths import column, log2, partial_bits, product_bits, scale_parts
from hwshift.timing import timing

__all__ = ["TERMS", "terms_of"]

Terms = Mapping[str, float]


def terms_of(block: str, config: AcceleratorConfig) -> Terms:
    """The terms of a block for a configuration, by name."""
    return TERMS[block](config)


def _control(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "address bits": config.address_width}


def _read_master(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "address bits": config.address_width}


def _write_master(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "address bits": config.address_width, "bus bits": config.bus_width}


def _fetch(config: AcceleratorConfig) -> Terms:
    return {
        "fixed": 1,
        "address bits": config.address_width,
        "bits that wait": 8 * INSTRUCTION_BYTES - config.bus_width,
    }


def _compute(config: AcceleratorConfig) -> Terms:
    return {
        "fixed": 1,
        "table words in a beat": config.bus_width // 32 - 1,
        "activation bits": config.act.bits,
        "columns": config.columns,
        "bits of table addresses": log2(config.acc_depth)
        + log2(config.lane_rows)
        + log2(config.weight_tiles),
        "pixels": config.pixels,
        "tree stages": timing(config).tree_stages,
    }


def _loader(config: AcceleratorConfig) -> Terms:
    word = config.weight_word_bits
    places = word // gcd(word, config.bus_width)
    return {
        "fixed": 1,
        "address bits": config.address_width,
        "activation bits of a vector": config.rows * config.act.bits,
        "rows": config.rows,
        "bits placed in a weight word": places * config.bus_width,
        "bits of a weight word": word,
        "bus bits": config.bus_width,
        "columns and rows of codes": config.columns * config.weight_rows * (config.pe == "shift_add"),
        "pixels": config.pixels,
    }


def _storer(config: AcceleratorConfig) -> Terms:
    return {
        "fixed": 1,
        "address bits": config.address_width,
        "bus bits": config.bus_width,
        "activation bits of a vector": config.rows * config.act.bits,
        "gates": config.gates * config.rows * config.act.bits,
    }


def _pipeline(config: AcceleratorConfig) -> Terms:
    times = timing(config)
    return {
        "fixed": 1,
        "tree stages": times.tree_stages,
        "columns over stages": config.columns * times.write_stage,
        "pixels over stages": config.pixels * times.write_stage,
        "accumulator address over stages": log2(config.acc_depth) * times.sum_stage,
        "table addresses": log2(config.param_tiles) + log2(config.lane_rows) + log2(config.weight_tiles),
    }


def _shift_buffer(config: AcceleratorConfig) -> Terms:
    rows, pixels, act = config.rows, config.pixels, config.act.bits
    subs, word = config.sub_banks, log2(config.feature_depth)
    return {
        "fixed": 1,
        "rows": rows,
        "lanes": rows * pixels,
        "address bits of lanes": rows * pixels * word,
        "activations read": rows * pixels * act,
        "choice of sub-bank": rows * pixels * (subs - 1) * act,
        "words of sub-banks": rows * subs * (pixels - 1) * word,
        "activations of port B": rows * subs * act,
        "residual": config.columns * pixels * pixels * config.groups * act,
        "lane entries": rows * 32,
    }


def _weight_buffer(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "bits of a word": column(config).code * config.columns * config.weight_rows}


def _row_taps(config: AcceleratorConfig) -> Terms:
    return {"activation bits of a vector": config.row_taps * config.rows * config.act.bits}


def _array(config: AcceleratorConfig) -> Terms:
    one, columns, pes = column(config), config.columns, config.rows * config.columns
    copies, mac = columns * config.pixels, config.pe == "mac"
    return {
        "columns": columns,
        "multiplexers": pes * config.pixels * one.multiplexers,
        "choices of multiplexers": pes * config.pixels * one.choices,
        "adders": copies * one.adders,
        "registers of sums": copies * one.stored,
        "registers of terms": pes * config.pixels * one.term,
        "registers of weights": pes * one.code,
        "weights": pes,
        "adders of parts": mac * pes * config.pixels * partial_bits(config.act.bits, config.weights.bits),
    }


def _accumulator(config: AcceleratorConfig) -> Terms:
    lanes = config.columns * config.pixels
    return {
        "fixed": 1,
        "lanes": lanes,
        "accumulator bits": lanes * config.acc_width,
        "sum bits": lanes * column(config).total,
        "accumulator bits with maximum": lanes * config.acc_width * config.max_pool,
    }


def _epilogue(config: AcceleratorConfig) -> Terms:
    lanes, product = config.columns * config.pixels, product_bits(config)
    scaled = product - config.guard
    digits = config.scale_digits or 0
    return {
        "fixed": 1,
        "columns": config.columns,
        "lanes": lanes,
        "bits shifted by digits": lanes * digits * product,
        "bits of sums of digits": lanes * max(0, digits - 1) * product,
        "bits rounded": lanes * scaled,
        "activation bits": lanes * config.act.bits,
        "activation bits with residual": lanes * config.act.bits * config.residual,
        "bits of the product": lanes * product * (not digits),
        "adders of parts": lanes * (scale_parts(config) - 1) * product * (not digits),
        "sigmoids": lanes * config.sigmoid,
        "parameters of columns": config.columns * config.act.bits,
    }


def _rest(_config: AcceleratorConfig) -> Terms:
    return {"fixed": 1}


TERMS: dict[str, Callable[[AcceleratorConfig], Terms]] = {
    "control": _control,
    "read master": _read_master,
    "write master": _write_master,
    "fetch": _fetch,
    "compute side": _compute,
    "loader": _loader,
    "storer": _storer,
    "pipeline": _pipeline,
    "shift buffer": _shift_buffer,
    "weight buffer": _weight_buffer,
    "row taps": _row_taps,
    "array": _array,
    "accumulator": _accumulator,
    "epilogue": _epilogue,
    "rest": _rest,
}
"""By block of `hwshift.synthesis.run.BLOCKS`."""
