"""Tests of the comparison that generated benches bring along."""

from hwshift.sim.benches.memory_difference import first_difference

# 2 rows of 3 pixels, 2 slots of 2 lanes, 16 bits: 48 bytes from address 16 on
FIRST = {
    "layer": "a",
    "shape": [3, 2, 3],
    "bytes": 2,
    "parts": [[16, 2, 2]],
    "placement": [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
}
JOINED = {"layer": "b", "shape": [2, 1, 1], "bytes": 2, "parts": [[64, 1, 2], [68, 1, 2]],
          "placement": [[0, 0, 1], [1, 0, 0]]}  # fmt: skip
SIZE = 10_000


def compare(address, value=1, length=SIZE):
    expected, actual = bytearray(SIZE), bytearray(length)
    if address is not None:
        actual[address] = value
    return first_difference(bytes(expected), bytes(actual), [JOINED, FIRST])


def test_equal():
    assert compare(None) is None


def test_another_size():
    assert compare(None, length=9999) == "the memory has 9999 bytes, expected 10000"


def test_a_channel():
    address = 16 + 2 * ((1 * 3 + 2) * 4 + 2)
    assert compare(address) == "layer 'a', channel 2, pixel (y=1, x=2): expected 0, got 1"
    assert compare(address + 1, 255) == "layer 'a', channel 2, pixel (y=1, x=2): expected 0, got -256"


def test_an_unused_lane():
    assert compare(16 + 6) == "layer 'a', unused lane (slot 1, bank 1), pixel (y=0, x=0): expected 0, got 1"


def test_parts_of_a_concatenation():
    assert compare(66) == "layer 'b', channel 0, pixel (y=0, x=0): expected 0, got 1"
    assert compare(68) == "layer 'b', channel 1, pixel (y=0, x=0): expected 0, got 1"


def test_bytes_in_no_map():
    for address in (0, 15, 72, 4096, 8191, 9999):
        assert compare(address) == f"address 0x{address:x}, in no map: expected 0x00, got 0x01"


def test_layers_come_in_order():
    actual = bytearray(SIZE)
    actual[0] = actual[16] = actual[66] = 1
    assert first_difference(bytes(SIZE), bytes(actual), [FIRST, JOINED]).startswith("layer 'a'")
    assert first_difference(bytes(SIZE), bytes(actual), [JOINED, FIRST]).startswith("layer 'b'")
