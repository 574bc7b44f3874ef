"""`dr-transformer embed`: exactly or with landmarks, by one process or by several, into one file.

Imports torch only once it works, as `cli.py` does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.config import Config
from dr_transformer.cost import cost
from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared, declare

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dr_transformer.data import Dataset
    from dr_transformer.distributed import Ranks
    from dr_transformer.model import Step
    from dr_transformer.projection import Projection

    Array = npt.NDArray[np.floating[Any]]

_LAUNCHED = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # what torchrun sets, and torch.distributed reads


@dataclass(frozen=True)
class EmbedConfig(Declared):
    """How a run is made whose size matters. The parameters of the model are not among them."""

    landmarks: int | None = declare(
        None,
        "Landmarks m",
        "So many tokens run the exact model, all others attend to them alone: time grows with n, not n².",
        "run",
        minimum=2,
    )
    landmark_choice: str = declare(
        "k-means++",
        "Choice of landmarks",
        "Spread over the data (k-means++), or any tokens (random).",
        "run",
        choices=("k-means++", "random"),
    )
    timeout: float = declare(
        1800.0,
        "Timeout in seconds",
        "Under torchrun: how long a process waits for another that is alive but does not answer.",
        "run",
        minimum=0,
        maximum=10**7,
        exclusive_minimum=True,
    )


def launched() -> bool:
    """Whether torchrun, or the like, started this process as one of several."""
    return os.environ.keys() >= _LAUNCHED


def embed(
    out: Path, config: Config, embed_config: EmbedConfig, load: Callable[[], Dataset], *, trajectory: bool
) -> None:
    """Write `out`. Raises `InputError`; and `distributed.LostRankError`, where this is one of several processes."""
    _check_name(out)
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(_joined(config, embed_config))
        with _agreed(ranks):
            from dr_transformer.export import save_npz, whole_file

            target = None if ranks and ranks.rank else stack.enter_context(whole_file(out))
            dataset = load()
        if ranks:
            ranks.check_equal("the data set", dataset.key)
        compute = _exact if embed_config.landmarks is None else _with_landmarks
        index, frames = compute(dataset.Y, config, embed_config, ranks, trajectory)
        if target is None:
            return
        import numpy as np

        run: dict[str, Any] = {"processes": ranks.size} if ranks else {}
        if index is not None:
            run |= {"landmarks": len(index), "landmark_choice": embed_config.landmark_choice}
        every = np.stack(frames) if trajectory else None
        save_npz(target, frames[-1], every, config, dataset, landmarks=index, run=run)


def describe_cost(
    out: Path, config: Config, embed_config: EmbedConfig, n_samples: int | None, load: Callable[[], Dataset]
) -> str:
    """What `embed` would cost, for people; the data are looked at only if `n_samples` is not given."""
    _check_name(out)
    n, m = n_samples or load().n_samples, embed_config.landmarks
    n_ranks = int(os.environ["WORLD_SIZE"]) if launched() else 1
    way = "exact" if m is None else f"{m} landmarks"
    of = "" if n_ranks == 1 else f"each of {n_ranks} processes: "
    return f"{n} tokens, {way}: {of}{cost(n, config, landmarks=m, n_ranks=n_ranks)}"


def progress(steps: Iterator[Step], n_blocks: int) -> Iterator[Step]:
    """The steps of a run, with a progress bar over blocks once it has taken a second."""
    from tqdm import tqdm

    with tqdm(total=n_blocks, desc="blocks", delay=1, leave=False) as bar:
        for step in steps:
            bar.update(step.ends_block and step.block > 0)
            yield step


def _exact(
    Y: Array, config: Config, _: EmbedConfig, ranks: Ranks | None, trajectory: bool
) -> tuple[None, Sequence[Array]]:
    """No landmarks, and the blocks asked for (all, or the last): each (n, q); none of them but on rank 0."""
    if ranks:
        from dr_transformer.distributed import unroll_ranks

        steps = unroll_ranks(ranks, Y, config)
    else:
        from dr_transformer.model import unroll

        steps = unroll(Y, config)
    return None, [
        step.X.cpu().numpy()
        for step in progress(steps, config.n_blocks)
        if step.ends_block and (trajectory or step.block == config.n_blocks) and not (ranks and ranks.rank)
    ]


def _with_landmarks(
    Y: Array, config: Config, embed_config: EmbedConfig, ranks: Ranks | None, trajectory: bool
) -> tuple[npt.NDArray[np.intp], Sequence[Array]]:
    """The landmarks, and as `_exact`. Each rank runs all landmarks itself, so ranks meet only at the end."""
    import torch
    from tqdm import tqdm

    from dr_transformer.landmarks import Landmarks, choose_landmarks
    from dr_transformer.model import check_tokens
    from dr_transformer.projection import fit_projection

    def choose() -> tuple[Projection, npt.NDArray[np.intp]]:
        projection = fit_projection(check_tokens(Y), config)
        choice, seed, m = embed_config.landmark_choice, config.random_state, embed_config.landmarks or 0
        return projection, choose_landmarks(Y, m, projection, choice=choice, random_state=seed)

    projection, index = ranks.share(choose) if ranks else choose()
    with _agreed(ranks):
        rows = ranks.rows(len(Y)) if ranks else slice(0, len(Y))
        landmarks = Landmarks.of(Y, index, config, projection)
        with tqdm(total=rows.stop - rows.start, desc="tokens", delay=1, leave=False, unit_scale=True) as bar:
            X = landmarks.embed(Y, rows=rows, every_block=trajectory, report=bar.update)
    blocks = X if trajectory else X[None]
    if not ranks:
        return index, list(blocks)
    collected = [ranks.collect(torch.from_numpy(block), len(Y)) for block in blocks]
    return index, [block.numpy() for block in collected if block is not None]


def _check_name(out: Path) -> None:
    if out.suffix.lower() != ".npz":
        raise InputError(f"cannot write {out.name!r}: the name must end in .npz.")


@contextlib.contextmanager
def _joined(config: Config, embed_config: EmbedConfig) -> Iterator[Ranks | None]:
    """All processes of the run, or None if this is the only one."""
    if not launched():
        yield None
        return
    from dr_transformer.distributed import joined

    with joined(config, embed_config.timeout) as ranks:
        yield ranks


def _agreed(ranks: Ranks | None) -> contextlib.AbstractContextManager[None]:
    return ranks.agreed() if ranks else contextlib.nullcontext()
