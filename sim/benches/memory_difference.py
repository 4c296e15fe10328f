"""Where two memories first differ: by layer, channel and pixel. Needs the standard library alone."""

__all__ = ["first_difference"]

_BLOCK = 4096


def first_difference(expected: bytes, actual: bytes, tensors: list[dict]) -> str | None:
    """The first difference in the order of the layers, then of addresses; None if there is none.

    Parameters
    ----------
    expected, actual : bytes
        Index = address.
    tensors : list of dict
        Per map in memory ``layer``, ``shape`` (channels, height, width), ``bytes`` of an activation, ``parts``
        (address, slots, lanes of an array [height][width][slots][lanes]) and ``placement`` (part, slot, bank of
        each channel).
    """
    if len(expected) != len(actual):
        return f"the memory has {len(actual)} bytes, expected {len(expected)}"
    if expected == actual:
        return None
    for tensor in tensors:
        for index, (address, slots, lanes) in enumerate(tensor["parts"]):
            size = tensor["shape"][1] * tensor["shape"][2] * slots * lanes * tensor["bytes"]
            pieces = expected[address : address + size], actual[address : address + size]
            if pieces[0] != pieces[1]:
                return _in_map(tensor, index, *pieces)
    address = _first(expected, actual)
    return (
        f"address 0x{address:x}, in no map: expected 0x{expected[address]:02x}, got 0x{actual[address]:02x}"
    )


def _first(expected: bytes, actual: bytes) -> int:
    """Index of the first differing byte."""
    start = 0
    while expected[start : start + _BLOCK] == actual[start : start + _BLOCK]:
        start += _BLOCK
    while expected[start] == actual[start]:
        start += 1
    return start


def _in_map(tensor: dict, index: int, expected: bytes, actual: bytes) -> str:
    size = tensor["bytes"]
    word = _first(expected, actual) // size
    _, slots, lanes = tensor["parts"][index]
    rest, lane = divmod(word, lanes)
    pixel, slot = divmod(rest, slots)
    y, x = divmod(pixel, tensor["shape"][2])
    place = [index, slot, lane]
    if place in tensor["placement"]:
        what = f"channel {tensor['placement'].index(place)}"
    else:
        what = f"unused lane (slot {slot}, bank {lane})"
    values = [
        int.from_bytes(data[word * size : (word + 1) * size], "little", signed=True)
        for data in (expected, actual)
    ]
    return f"layer {tensor['layer']!r}, {what}, pixel (y={y}, x={x}): expected {values[0]}, got {values[1]}"
