"""Print the README's table of landmarks: how far a run by m landmarks is from the exact one.

    python scripts/measure_landmarks.py
    python scripts/measure_landmarks.py --n-samples 1000 --landmarks 100,300 --seeds 1

Each line is the mean over seeds of the choice. The last lines are the yardstick: an exact run with another seed of the
projection, and the exact run itself. At the paper's settings this takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import procrustes

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.methods.graph import knn_graph, neighbourhood_preservation
from dr_transformer.model.landmarks import Landmarks, choose_landmarks
from dr_transformer.model.projection import fit_projection
from dr_transformer.quality.metrics import N_NEIGHBORS, knn_accuracy

COUNTS = (500, 1000, 2000, 5000)
CHOICES = ("random", "k-means++")


class Row(NamedTuple):
    """A line of the table. `distance` is the Procrustes distance, `common` the share of nearest neighbours kept."""

    landmarks: str
    choice: str
    distance: float
    common: float
    accuracy: float

    def __str__(self) -> str:
        figures = f"{self.distance:.2f} | {self.common:.2f} | {self.accuracy:.3f}"
        return f"| {self.landmarks} | {self.choice} | {figures} |"


HEADER = f"""| landmarks | choice | Procrustes distance | {N_NEIGHBORS} nearest neighbours in common | 5-NN accuracy |
|---|---|---|---|---|"""


class Exact:
    """The exact run of a data set, to compare others with."""

    def __init__(self, data: Dataset, config: Config) -> None:
        assert data.labels is not None
        self.labels = data.labels
        self.X = last_block(data, config)
        self.near = knn_graph(self.X, N_NEIGHBORS).indices

    def compared(self, X: np.ndarray) -> np.ndarray:
        """Procrustes distance (2-norm, relative), neighbours in common and accuracy of latents X (n, q): (3,)."""
        near = knn_graph(X, N_NEIGHBORS).indices
        distance = (
            max(float(procrustes(self.X, X)[2]), 0.0) ** 0.5
        )  # SciPy's is squared, and rounding may take it below
        return np.array([distance, neighbourhood_preservation(self.near, near).mean(), knn_accuracy(X, self.labels)])


def last_block(data: Dataset, config: Config) -> np.ndarray:
    """The latents (n, q) after the last block, exactly."""
    *_, last = unroll(data.Y, config)
    return last.X.cpu().numpy()


def by_landmarks(data: Dataset, config: Config, n_landmarks: int, choice: str, seed: int) -> np.ndarray:
    """The latents (n, q) after the last block by landmarks that `seed` chooses; the projection is the exact run's."""
    projection = fit_projection(data.Y, config)
    index = choose_landmarks(data.Y, n_landmarks, projection, choice=choice, random_state=seed)
    return Landmarks.of(data.Y, index, config, projection).embed(data.Y)


def rows(data: Dataset, config: Config, counts: Sequence[int], n_seeds: int) -> Iterator[Row]:
    """The table, line by line."""
    exact = Exact(data, config)
    seeds = range(config.random_state, config.random_state + n_seeds)
    for m in counts:
        for choice in CHOICES:
            found = [exact.compared(by_landmarks(data, config, m, choice, seed)) for seed in seeds]
            yield Row(f"{m:_}".replace("_", " "), choice, *np.mean(found, axis=0).tolist())
    other = replace(config, random_state=config.random_state + 1)
    yield Row("exact", "another seed of the projection", *exact.compared(last_block(data, other)).tolist())
    yield Row("exact", "", *exact.compared(exact.X).tolist())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-samples", type=int, default=10_000, help="images of MNIST (default: %(default)s)")
    parser.add_argument("--landmarks", default=",".join(map(str, COUNTS)), help="how many, as 500,1000 (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of the choice, for each line (default: %(default)s)")
    options = parser.parse_args()
    counts = [int(m) for m in options.landmarks.split(",")]
    print(HEADER)
    for row in rows(load("mnist", options.n_samples), Config(), counts, options.seeds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
