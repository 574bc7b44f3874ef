"""Cells and their genes: .h5ad, as anndata writes it (https://anndata.readthedocs.io/en/stable/fileformat-prose.html).

By h5py alone, for anndata asks for an older pandas than everything else here.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from dr_transformer.data.reading.arrays import extra, from_sparse
from dr_transformer.data.reading.columns import Columns, label_of
from dr_transformer.data.reading.rows import Choice, Table, factorise, tokens
from dr_transformer.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_h5ad(filename: str, content: bytes, choice: Choice, max_bytes: int) -> Table:
    """The cells as tokens: `X`, dense or sparse, with the labels from a column of `obs`.

    Raises `InputError`, and what h5py raises for damage.
    """
    with extra(filename, "h5py").File(io.BytesIO(content), "r") as file:
        if "X" not in file:
            raise InputError(f"{filename} has no X, the table of cells by genes; save it again with anndata.")
        X, said = _matrix(filename, file["X"], max_bytes)
        observed = _observed(file.get("obs"), len(X))
    names = tuple(map(str, observed.columns))
    choice.known(filename, names)
    label = label_of(Columns(observed)) if choice.label == "auto" else choice.named
    Y, _ = tokens(filename, X)
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    if label is not None:
        labels, class_names = factorise(filename, observed[label].to_numpy(), len(Y))
    return Table(Y, labels, class_names, None, columns=names, label=label, said=said)


def _matrix(filename: str, X: Any, max_bytes: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if hasattr(X, "shape"):
        if X.size * X.dtype.itemsize > max_bytes:
            raise InputError(f"{filename} declares more than {max_bytes // 2**20} MB; give a part of it.")
        return np.asarray(X[()]), ()
    from scipy import sparse

    kind = {"csr_matrix": sparse.csr_array, "csc_matrix": sparse.csc_array}[str(X.attrs["encoding-type"])]
    if sum(X[part].size * X[part].dtype.itemsize for part in ("data", "indices", "indptr")) > max_bytes:
        raise InputError(f"{filename} declares more than {max_bytes // 2**20} MB; give a part of it.")
    matrix = kind((X["data"][()], X["indices"][()], X["indptr"][()]), shape=tuple(map(int, X.attrs["shape"])))
    matrix.check_format(full_check=True)  # indices beyond the shape would be written beyond the array
    return from_sparse(filename, matrix, max_bytes), ("a sparse matrix, gaps are zeros",)


def _observed(group: Any, n: int) -> pd.DataFrame:
    """Read what is known of the cells, but for their names."""
    import pandas as pd

    if group is None:
        return pd.DataFrame(index=range(n))
    return pd.DataFrame({str(name): _column(group[name]) for name in group.attrs["column-order"]})


def _column(stored: Any) -> Any:
    import pandas as pd

    if hasattr(stored, "shape"):
        return stored.asstr()[()] if stored.dtype.kind == "O" else stored[()]
    if "categories" in stored:
        return pd.Categorical.from_codes(stored["codes"][()], _column(stored["categories"]))
    values = pd.Series(stored["values"][()])  # of numbers with gaps
    return values.astype(object).mask(stored["mask"][()], None)
