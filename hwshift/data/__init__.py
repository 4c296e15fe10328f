"""Input images and labels: files, folders and data sets in the usual formats, or seeded noise."""

from hwshift.data.dataset import (
    BUILT_IN,
    Dataset,
    Images,
    input_images,
    input_shape,
    load_data,
    load_for,
    to_codes,
)

__all__ = [
    "BUILT_IN",
    "Dataset",
    "Images",
    "input_images",
    "input_shape",
    "load_data",
    "load_for",
    "to_codes",
]
