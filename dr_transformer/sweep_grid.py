"""The grid of a phase diagram: α down, η or depth across, and the order in which its cells are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dr_transformer.config import Config
from dr_transformer.errors import InputError

# 13 values each, so that the first, coarse picture has both ends. η = ½ is a cell without a value, as it should be.
ALPHAS = (2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 300.0)
COLUMNS: dict[str, tuple[float, ...]] = {
    "eta": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.8, 1.0),
    "n_blocks": (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48),
}
STRIDES = (4, 2, 1)  # every fourth cell each way first, then every second, then all
MAX_CELLS = 4096

Cell = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """Rows `alphas`, columns `values` of the parameter `column`, one of `COLUMNS`. Hashable: part of a runner's key.

    Raises `InputError` for values outside the parameters' ranges, equal ones, none, or more than `MAX_CELLS` cells.
    """

    column: str = "eta"
    alphas: tuple[float, ...] = ALPHAS
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.column not in COLUMNS:
            raise InputError(f"a sweep's column must be {' or '.join(COLUMNS)}, but is {self.column!r}.")
        declared = Config.parameters()
        chosen = self.values or COLUMNS[self.column]
        for name, key, given in (("alphas", "alpha", self.alphas), ("values", self.column, chosen)):
            valid = tuple(declared[key].check(value) for value in given)
            if not valid or len(set(valid)) < len(valid):
                raise InputError(f"a sweep needs at least one value of {key}, and each of them once.")
            object.__setattr__(self, name, valid)
        rows, columns = self.shape
        if rows * columns > MAX_CELLS:
            raise InputError(f"a sweep of {rows} × {columns} cells is too large; choose at most {MAX_CELLS} cells.")

    @property
    def shape(self) -> Cell:
        """Rows, columns."""
        return len(self.alphas), len(self.values)

    def config(self, base: Config, cell: Cell) -> Config:
        """`base` with the cell's settings. Raises `InputError` where there is no such transformer (η = ½)."""
        row, column = cell
        return Config.from_dict(base.to_dict() | {"alpha": self.alphas[row], self.column: self.values[column]})

    def coarse_first(self) -> Iterator[Cell]:
        """All cells, each once: those of every fourth row and column, then of every second, then the others."""
        rows, columns = self.shape
        seen = np.zeros(self.shape, bool)
        for stride in STRIDES:
            for cell in ((r, c) for r in range(0, rows, stride) for c in range(0, columns, stride)):
                if not seen[cell]:
                    seen[cell] = True
                    yield cell
