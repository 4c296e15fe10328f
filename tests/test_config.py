"""Tests of configuration files: wrong types and values are told with the file and the field."""

import re

import pytest

from hwshift.config import PRESETS, AcceleratorConfig, load_config
from hwshift.errors import ConfigError
from hwshift.golden.formats import Pow2Format, QFormat

SIZES = "4, 8, 16, 32"
GATES = "gates are multiplied with, which an epilogue with scale_digits cannot: leave one of them out"


@pytest.mark.parametrize(("text", "message"), [
    ('rows = "four"', f"rows must be one of {SIZES}, not 'four'"),
    ("rows = 4.0", f"rows must be one of {SIZES}, not 4.0"),
    ("rows = [4]", f"rows must be one of {SIZES}, not [4]"),
    ("columns = true", f"columns must be one of {SIZES}, not True"),
    ("act = 7", "act must be a format such as Q16.16, not 7"),
    ('act = "abc"', "act: a format is written Qm.n, for example Q16.16, not 'abc'"),
    ('weights = "abc"', "weights: a format is written Qm.n, for example Q16.16, not 'abc'"),
    ("weights = 5", "a shift_add array needs weights in a Pow2Format, not 5"),
    ("weights = [1]", "pow2 weights are written [p_min, p_max], not [1]"),
    ('max_pool = "yes"', "max_pool must be true or false, not 'yes'"),
    ("sigmoid = 1", "sigmoid must be true or false, not 1"),
    ('preset = "4x4-mac"\nscale_digits = 4', GATES),
    ("residual = 1", "residual must be true or false, not 1"),
    ("name = 5", "name must be one line of text, not 5"),
    ('name = "a\\nb"', "name must be one line of text, not 'a\\nb'"),
    ("scale_digits = 'a'", "scale_digits must be an integer or left out, not 'a'"),
    ("guard = true", "guard must be an integer or left out, not True"),
    ("acc_width = 48.5", "acc_width must be an integer or left out, not 48.5"),
    ("feature_depth = 100", "feature_depth must be a multiple of 16, not 100"),
    ("acc_depth = 100", "acc_depth must be a power of two, not 100"),
    ("rows = 4\ncolumns = 8", "columns must divide rows: 8 does not divide 4"),
    ('preset = ["4x4"]', f"unknown preset ['4x4']; presets: {', '.join(PRESETS)}"),
])  # fmt: skip
def test_wrong_fields(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load_config(path)


def test_a_file_on_top_of_a_preset(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('preset = "8x8"\nact = "Q8.8"\nweights = [-7, 0]\n', encoding="utf-8")
    expected = PRESETS["8x8"].with_(name="own", act=QFormat(8, 8), weights=Pow2Format(-7, 0))
    assert load_config(path) == expected
    assert AcceleratorConfig.from_dict(expected.to_dict()) == expected


def test_options_that_are_off_leave_the_hash():
    """Programs and hardware made before there were options still go together."""
    plain = PRESETS["4x4-mac"].with_(sigmoid=False, gates=False)
    assert plain.hash == 0x36AD2A10
    hashes = {plain.with_(sigmoid=a, gates=b).hash for a in (False, True) for b in (False, True)}
    assert len(hashes) == 4
    assert AcceleratorConfig.from_dict(plain.with_(gates=True).to_dict()).gates
