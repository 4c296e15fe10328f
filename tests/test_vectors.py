"""Test vectors: the three forms say the same, and that is what the golden model says."""

import json
import subprocess

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.data import Images, load_data
from hwshift.errors import ProgramError
from hwshift.golden import trace
from hwshift.hls.build import compiler
from hwshift.network.random import csc_network
from hwshift.program.expected import expected_memory
from hwshift.resolve import prepare
from hwshift.vectors import FORMS, write_vectors

CONFIG = PRESETS["4x4"].with_(act=PRESETS["4x4"].act.parse("Q5.6"))
NETWORK = prepare(csc_network(4, 5, 4, 1, classes=3, seed=1), CONFIG)
IMAGES = Images.of(load_data(None, shape=NETWORK.input.shape, limit=2, seed=5), NETWORK.act)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return write_vectors(NETWORK, CONFIG, tmp_path_factory.mktemp("vectors") / "out", IMAGES)


def index_of(vectors):
    return json.loads((vectors.folder / "vectors.json").read_text())


def test_every_layer_of_every_image(vectors):
    maps = index_of(vectors)["maps"]
    assert len(maps) == 2 * len(NETWORK.layers) == 2 * vectors.layers
    for item in maps:
        expected = trace(NETWORK, CONFIG.arithmetic, IMAGES.codes[item["image"]])[item["layer"]]
        path = vectors.folder / item["file"]
        values = np.load(path.with_suffix(".npy"))
        assert values.dtype == np.int32
        np.testing.assert_array_equal(values, expected)
        words = path.with_suffix(".hex").read_text().split()
        assert all(len(word) == 4 for word in words)  # 11 bits lie in 16
        signed = [(int(word, 16) ^ 0x8000) - 0x8000 for word in words]
        assert signed == expected.ravel().tolist()


def test_the_program(vectors):
    program = vectors.program
    words = np.load(vectors.folder / "program/instructions.npy")
    np.testing.assert_array_equal(words, program.words())
    text = (vectors.folder / "program/instructions.hex").read_text().split()
    assert [int(word, 16) for word in text] == program.words().ravel().tolist()
    np.testing.assert_array_equal(np.load(vectors.folder / "program/memory.npy"), program.memory_image())
    for number, image in enumerate(IMAGES.codes):
        folder = vectors.folder / f"image_{number}"
        np.testing.assert_array_equal(np.load(folder / "memory_before.npy"), program.memory_image(image))
        after = expected_memory(program, image, trace(NETWORK, CONFIG.arithmetic, image).maps)
        np.testing.assert_array_equal(np.load(folder / "memory_after.npy"), after)
    assert index_of(vectors)["program"]["launch"]["PROGRAM_COUNT"] == len(program.instructions)


C_MAIN = """
#include <stdio.h>
#include <string.h>
#include "image_0/001_stem.h"
#include "image_0/memory_after.h"
#include "program/instructions.h"
static unsigned char memory[MEMORY_AFTER_BYTES];
int main(void) {
    unsigned i;
    FILE *file = fopen("after.bin", "wb");
    for (i = 0; i < MEMORY_AFTER_RUNS; i++)
        memcpy(memory + memory_after_run[i].address, memory_after_word + memory_after_run[i].first,
               4 * memory_after_run[i].count);
    fwrite(memory, 1, sizeof memory, file);
    fclose(file);
    for (i = 0; i < MAP_001_STEM_COUNT; i++) printf("%d\\n", map_001_stem[i]);
    printf("%u\\n", instructions[1]);
    return 0;
}
"""


def test_headers_in_c(vectors, tmp_path):
    (tmp_path / "main.c").write_text(C_MAIN)
    flags = ["-Wall", "-Wextra", "-Werror", "-x", "c", "-std=c99", f"-I{vectors.folder}"]
    subprocess.run([compiler(), *flags, "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
    done = subprocess.run([tmp_path / "main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    *values, magic = map(int, done.stdout.split())
    np.testing.assert_array_equal(values, np.load(vectors.folder / "image_0/001_stem.npy").ravel())
    assert magic == 0x54485348
    after = np.fromfile(tmp_path / "after.bin", np.uint8)
    np.testing.assert_array_equal(after, np.load(vectors.folder / "image_0/memory_after.npy"))


def test_same_bytes_again_and_chosen_forms(vectors, tmp_path):
    again = write_vectors(NETWORK, CONFIG, tmp_path / "again", IMAGES)
    assert again.files == vectors.files
    for name in again.files:
        assert (again.folder / name).read_bytes() == (vectors.folder / name).read_bytes(), name
    some = write_vectors(NETWORK, CONFIG, tmp_path / "some", IMAGES, forms=("hex",))
    assert {name.rpartition(".")[2] for name in some.files if name.startswith("image")} == {"hex"}
    assert FORMS == ("npy", "hex", "h")


def test_a_folder_that_holds_something(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(
        ProgramError, match="the folder is not empty: name another, or replace it with --force$"
    ):
        write_vectors(NETWORK, CONFIG, tmp_path / "out", IMAGES)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["mine"]
