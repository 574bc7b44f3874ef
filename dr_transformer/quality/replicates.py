"""Is it real? Every quality figure over several seeds, on the real data and on data without structure.

With the seed s vary: which tokens take part (`balanced_subset` with s; not where all do), the order in which the
accuracy is split and the starts of k-means (`quality`), the method's own randomness (the transformer's projection,
UMAP's optimisation; PCA has none, and the starting vector of Laplacian Eigenmaps decides nothing), and the draw of the
null data. Subsets of one data set overlap, so the s.d. is of these choices, not of new data.

Null data keep the labels of the images they were made of, and are judged against their own neighbours. So labels say
whether classes are real: Gaussian noise gives chance (MNIST, n = 2 000: 5-NN accuracy 0.10, NMI 0.01). Pixel-shuffled
images keep their amount of ink, and a method that keeps lengths finds a little of the classes in it (PCA 0.16 and 0.08,
the ink alone 0.17 and 0.10, the transformer, whose LayerNorm drops it, 0.11 and 0.01). Neighbourhoods are kept in noise
of the same covariance too (trustworthiness 0.89 at block 8, real data 0.94), so these alone prove no structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dr_transformer.config import Config
from dr_transformer.data.dataset import draw
from dr_transformer.data.null import gaussian_like, shuffle_pixels
from dr_transformer.errors import InputError
from dr_transformer.methods import pca as baselines
from dr_transformer.model.unroll import unroll
from dr_transformer.quality.metrics import METRICS, Labels
from dr_transformer.quality.scores import SUBSAMPLE, Quality, Reference, quality
from dr_transformer.types import Check, Floats

Tokens = npt.NDArray[np.generic]
# Embeds tokens (n, d) with a seed: to one (n, q), or to several by name, such as one a block.
Method = Callable[[Tokens, int], Floats | Mapping[str, Floats]]

REAL = "real"
NULLS: dict[str, Callable[[Tokens, np.random.RandomState], Tokens]] = {
    "shuffled pixels": shuffle_pixels,
    "Gaussian noise": gaussian_like,
}
DATA = (REAL, *NULLS)


@dataclass(frozen=True)
class Replicate:
    """One embedding, measured. `part` is its name where the method gave several, else empty.

    `error` is the sentence of a method that could not embed the data; `quality` is then None. `done`, up to 1, is the
    share of the work that is behind when this comes.
    """

    method: str
    part: str
    data: str
    seed: int
    quality: Quality | None
    error: str
    done: float


@dataclass(frozen=True)
class Row:
    """Mean and sample standard deviation (ddof = 1) of one metric over `k` seeds.

    `sd` is None for k = 1, which says nothing of the spread; both are None for k = 0. `missing` says why figures of
    some seeds do not exist.
    """

    method: str
    part: str
    data: str
    metric: str
    mean: float | None
    sd: float | None
    k: int
    missing: str = ""

    def __str__(self) -> str:
        if self.mean is None:
            return f"none ({self.missing})"
        return f"{self.mean:.3f} (one seed: no s.d.)" if self.sd is None else f"{self.mean:.3f} ± {self.sd:.3f}"


def replicate(
    methods: Mapping[str, Method],
    Y: Tokens,
    labels: Labels | None,
    seeds: Sequence[int],
    *,
    data: Sequence[str] = DATA,
    n_samples: int = SUBSAMPLE,
    check: Check | None = None,
) -> Iterator[Replicate]:
    """Embed and measure `n_samples` of the tokens Y (n, d), for each seed, each of `data` and each method.

    Yields after each embedding that was measured; stop iterating, or raise in `check`, to cancel. Raises `InputError`
    for an unknown kind of data, an equal seed twice, or no seeds.
    """
    if unknown := set(data) - set(DATA):
        raise InputError(f"unknown data {sorted(unknown)[0]!r}; choose of {', '.join(DATA)}.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError("the seeds must be different, at least one of them: a seed used twice is no second sample.")
    return _replicates(methods, Y, labels, seeds, data, n_samples, check)


def _replicates(
    methods: Mapping[str, Method],
    Y: Tokens,
    labels: Labels | None,
    seeds: Sequence[int],
    data: Sequence[str],
    n_samples: int,
    check: Check | None,
) -> Iterator[Replicate]:
    pieces = len(seeds) * len(data) * len(methods)
    piece = 0
    for seed in seeds:
        rows = draw(len(Y), labels, n_samples, seed)
        y = None if labels is None else labels[rows]
        for kind in data:
            tokens = null(kind, Y[rows], seed)
            reference = Reference.of(tokens, y, random_state=seed, check=check)
            for name, method in methods.items():
                try:
                    found = method(tokens, seed)
                except InputError as error:
                    yield Replicate(name, "", kind, seed, None, str(error), (piece + 1) / pieces)
                else:
                    parts = found if isinstance(found, Mapping) else {"": found}
                    for i, (part, X) in enumerate(parts.items(), start=1):
                        measured = quality(X, reference, check=check)
                        yield Replicate(name, part, kind, seed, measured, "", (piece + i / len(parts)) / pieces)
                piece += 1


def what_varies(n_total: int, seeds: Sequence[int], n_samples: int = SUBSAMPLE) -> str:
    """The sentence that belongs under a table of `summarise`."""
    tokens = f"which {n_samples} of the {n_total} tokens take part" if n_samples < n_total else ""
    others = "the random projection and whatever else a method draws", "the draw of the null data"
    varied = ", ".join(filter(None, (tokens, *others)))
    spread = f"mean ± s.d. over {len(seeds)} seeds" if len(seeds) > 1 else "one seed, so no s.d."
    return f"{spread}; with the seed vary {varied}, and the split and the starts of the measures themselves."


def null(kind: str, Y: Tokens, seed: int) -> Tokens:
    """The data called `kind`, one of `DATA`, made of tokens Y (n, d)."""
    if kind == REAL:
        return Y
    # Not the stream of the projection, which the same seed starts: the noise would be of the projection's own numbers.
    stream = np.random.SeedSequence([seed, DATA.index(kind)])
    return NULLS[kind](Y, np.random.RandomState(np.random.MT19937(stream)))


def summarise(replicates: Iterable[Replicate]) -> list[Row]:
    """One row for each method, part, data and metric, in the order in which they first came."""
    groups: dict[tuple[str, str, str], list[Replicate]] = {}
    for one in replicates:
        groups.setdefault((one.method, one.part, one.data), []).append(one)
    return [_row(*key, metric, group) for key, group in groups.items() for metric in METRICS]


def _row(method: str, part: str, data: str, metric: str, group: list[Replicate]) -> Row:
    found = [r.quality.figures[metric] if r.quality else None for r in group]
    values = [value for value in found if value is not None]
    reasons = [r.quality.missing.get(metric, "") if r.quality else r.error for r in group]
    mean = float(np.mean(values)) if values else None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Row(method, part, data, metric, mean, sd, len(values), next(filter(None, reasons), ""))


# --- methods ----------------------------------------------------------------------------------------------------------


def transformer(config: Config, *, every_block: bool = False, check: Check | None = None) -> Method:
    """The unrolled transformer's last block, or each of its blocks by name; `check` may raise between sub-steps."""

    def embed(Y: Tokens, random_state: int) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for step in unroll(Y, Config.from_dict(config.to_dict() | {"random_state": random_state})):
            if check:
                check()
            if step.ends_block and (every_block or step.block == config.n_blocks):
                found[f"block {step.block}"] = step.X.cpu().numpy()
        return found

    return embed


def default_methods(
    config: Config | None = None,
    *,
    n_neighbors: int = 15,
    n_components: int | None = None,
    beta: float | None = 0.0,
    check: Check | None = None,
) -> dict[str, Method]:
    """The transformer's last block, PCA, and Laplacian Eigenmaps of the `n_neighbors`-NN graph, by name.

    The latter two have `n_components`, by default the transformer's q, or as many as the data give where that is less.
    Eigenmaps have ProbDR's scaling, by default β = 0: in 128 eigenvectors of one length k-means finds little (MNIST,
    n = 2 000: NMI 0.24, scaled 0.63).
    """
    from dr_transformer.estimators.laplacian import LaplacianEigenmaps

    config = config or Config()
    q = n_components or config.n_components

    def pca(Y: Tokens, _: int) -> Floats:
        n, d = Y.shape
        return baselines.pca(Y, min(n, d, q)).scores

    def laplacian_eigenmaps(Y: Tokens, _: int) -> Floats:
        most = max(1, min(len(Y) - 2, q))  # a graph that falls into parts has fewer, and says so
        return LaplacianEigenmaps(most, n_neighbors=n_neighbors, beta=beta, device=config.device).fit_transform(Y)

    return {
        "transformer": transformer(config, check=check),
        "PCA": pca,
        "Laplacian Eigenmaps": laplacian_eigenmaps,
    }
