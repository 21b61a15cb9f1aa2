#!/usr/bin/env python3
"""Writes tests/data/mat/{plain,packed}.mat with scipy: what tests/datasets/readers/mat_file_test.cpp
reads back.

    make_mat_fixtures.py [FOLDER]
"""
import os
import sys

import numpy as np
from scipy.io import savemat


def cell(values):
    array = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../data/mat")
    numbers = np.arange(1, 7).reshape(2, 3)
    variables = {
        "doubles": numbers.astype(np.float64),
        "singles": numbers.astype(np.float32),
        "bytes": numbers.astype(np.uint8),
        "words": numbers.astype(np.int16),
        "longs": numbers.astype(np.int64),
        "flags": np.array([[True, False, True]]),
        "negative": -3.5,
        "deep": np.arange(24, dtype=np.float64).reshape(2, 3, 4),
        "texts": cell(["rank", "lsho", ""]),
        "mixed": cell(["text", 7.0]),
        "record": {"name": "a", "size": np.array([[3.0]]), "nothing": np.zeros((0, 0))},
    }
    savemat(os.path.join(folder, "plain.mat"), variables, do_compression=False)
    savemat(os.path.join(folder, "packed.mat"), variables, do_compression=True)


if __name__ == "__main__":
    main()
