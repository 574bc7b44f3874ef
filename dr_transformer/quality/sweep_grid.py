"""The grid of a phase diagram: α down, η or depth across, and the order in which its cells are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dr_transformer.config import Config
from dr_transformer.errors import InputError

# α about evenly on a logarithmic scale, η evenly and past ½, which is left out: there is no transformer. All lie in the
# widgets' ranges, and all resolutions have the paper's 30, 0.4 and 8.
# fmt: off
_ALPHAS = (
    2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0, 30.0,
    37.0, 45.0, 55.0, 70.0, 85.0, 100.0, 125.0, 150.0, 175.0, 200.0, 250.0, 300.0,
)
_ETAS = tuple(hundredths / 100 for hundredths in range(4, 77, 3))
_DEPTHS: dict[int, tuple[float, ...]] = {
    7: (1, 2, 4, 8, 12, 16, 32),
    13: (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32),
    25: (*range(1, 19), 20, 22, 24, 26, 28, 30, 32),
}
# fmt: on
RESOLUTIONS = tuple(_DEPTHS)
"""Cells each way that `Grid.of` offers: a finer grid has all cells of a coarser one."""
ALPHAS = _ALPHAS[::2]
COLUMNS: dict[str, tuple[float, ...]] = {"eta": _ETAS[::2], "n_blocks": _DEPTHS[13]}
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

    @classmethod
    def of(cls, column: str, resolution: int) -> Grid:
        """The grid of so many cells each way, one of `RESOLUTIONS`."""
        if resolution not in RESOLUTIONS:
            raise InputError(f"a sweep's resolution must be one of {RESOLUTIONS}, but is {resolution}.")
        stride = (len(_ALPHAS) - 1) // (resolution - 1)
        return cls(column, _ALPHAS[::stride], _ETAS[::stride] if column == "eta" else _DEPTHS[resolution])

    @property
    def shape(self) -> Cell:
        """Rows, columns."""
        return len(self.alphas), len(self.values)

    def config(self, base: Config, cell: Cell) -> Config:
        """`base` with the cell's settings. Raises `InputError` where there is no such transformer (η = ½)."""
        row, column = cell
        return Config.from_dict(base.to_dict() | {"alpha": self.alphas[row], self.column: self.values[column]})

    def coarse_first(self) -> Iterator[Cell]:
        """Return all cells, each once: those of every fourth row and column, then of every second, then the others."""
        rows, columns = self.shape
        seen = np.zeros(self.shape, bool)
        for stride in STRIDES:
            for cell in ((r, c) for r in range(0, rows, stride) for c in range(0, columns, stride)):
                if not seen[cell]:
                    seen[cell] = True
                    yield cell
