"""On-chip blocks and table places."""

from hwshift.compiler.buffers import Block
from hwshift.compiler.tables import TableSpace


def test_rows_of_a_circular_block():
    block = Block(base=10, rows=4, row_words=3, pitch=3, slots=1)
    assert block.length == 12
    assert [block.offset(row) for row in (0, 3, 4, -1)] == [0, 9, 0, 9]
    assert block.words(0, 2) == [(10, 16)]
    assert block.words(3, 5) == [(19, 22), (10, 13)]
    assert block.words(0, 9) == [(10, 22)]


def test_table_places_go_round_and_are_kept():
    space = TableSpace(8, 2)
    assert space.place(b"a", 3) == (0, True)
    assert space.place(b"b", 3) == (4, True)
    assert space.place(b"a", 3) == (0, False)
    assert space.place(b"c", 1) == (0, True)
    assert space.place(b"b", 3) == (4, False)
    assert space.place(b"a", 3) == (2, True)
    assert space.place(b"b", 3) == (0, True)
