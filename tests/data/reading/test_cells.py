"""`cells.h5ad` was written by anndata 0.12.19: `TABLE` as a CSR matrix, with `cell_type`, `batch` and `n_genes`."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import sparse

from dr_transformer.data.dataset import load, load_bytes
from dr_transformer.data.reading.cells import read_h5ad
from dr_transformer.data.reading.rows import Choice
from dr_transformer.errors import InputError
from tests.helpers.user_files import TABLE

CELLS = Path(__file__).parent / "cells.h5ad"


def test_cells_of_anndata():
    dataset = load(CELLS, label="cell_type")
    assert np.array_equal(dataset.Y, TABLE)
    assert dataset.columns == ("cell_type", "batch", "n_genes")
    assert (dataset.class_names, dataset.labels.tolist()) == (("B", "T", "unlabelled"), [1, 0, 1, 2])
    assert load(CELLS).label == "cell_type"  # the only column of text that is no number
    with pytest.raises(InputError, match=r"no column 'x'; it has 'cell_type', 'batch', 'n_genes'"):
        load(CELLS, label="x")


@pytest.mark.parametrize("kind", ["dense", "csc"])
def test_other_forms_of_the_matrix(kind):
    out = io.BytesIO(CELLS.read_bytes())
    with h5py.File(out, "r+") as file:
        del file["X"]
        if kind == "dense":
            file["X"] = TABLE
        else:
            matrix, group = sparse.csc_array(TABLE), file.create_group("X")
            group.attrs.update({"encoding-type": "csc_matrix", "shape": TABLE.shape})
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(matrix, part)
    assert np.array_equal(load_bytes("a.h5ad", out.getvalue()).Y, TABLE)


def test_indices_beyond_the_matrix_are_refused():
    out = io.BytesIO(CELLS.read_bytes())
    with h5py.File(out, "r+") as file:
        file["X/indices"][0] = 10**6
    with pytest.raises(InputError, match="cannot be read"):
        load_bytes("a.h5ad", out.getvalue())
    with h5py.File(out, "r+") as file:
        file["X"].attrs["shape"] = (4, 10**9)
    with pytest.raises(InputError, match=r"cannot be read|too large|more memory"):
        load_bytes("a.h5ad", out.getvalue(), max_bytes=2**20)


def test_large_cells_are_not_unpacked():
    with pytest.raises(InputError, match=r"give a part of it|too large"):
        read_h5ad("a.h5ad", CELLS.read_bytes(), Choice(), 20)
