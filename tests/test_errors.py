"""Tests of `hwshift.errors`."""

import pickle

import pytest

from hwshift import errors

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "HwshiftError"]


@pytest.mark.parametrize("cls", CLASSES)
def test_message(cls):
    error = cls("17 does not fit 16 lanes")
    assert str(error) == "17 does not fit 16 lanes"
    assert error.where is None
    assert isinstance(error, errors.HwshiftError)


@pytest.mark.parametrize("cls", CLASSES)
def test_where_comes_first(cls):
    error = cls("17 does not fit 16 lanes", where="layer conv1")
    assert str(error) == "layer conv1: 17 does not fit 16 lanes"
    assert (error.where, error.message) == ("layer conv1", "17 does not fit 16 lanes")


@pytest.mark.parametrize("cls", CLASSES)
def test_survives_pickling(cls):
    error = cls("message", where="place")
    error.add_note("note")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__notes__) == (cls, "place: message", ["note"])


def test_exit_codes():
    codes = {cls.__name__: cls.exit_code for cls in CLASSES}
    assert codes == {
        "ConfigError": 3,
        "NetworkError": 4,
        "QuantizeError": 5,
        "CompileError": 6,
        "ProgramError": 7,
        "SimulationError": 8,
        "MismatchError": 9,
        "ToolError": 10,
        "DataError": 11,
    }
