"""`dr-transformer embed`: latents, exactly or with landmarks, by one process or by several; or another method's map.

Imports torch only once it works, as `commands.py` does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.cli.embed_config import Asked
from dr_transformer.config import DATASETS, DataConfig
from dr_transformer.errors import InputError
from dr_transformer.hardware.launch import launched
from dr_transformer.model.cost import cost

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dr_transformer.data.dataset import Dataset
    from dr_transformer.model.distributed import Ranks
    from dr_transformer.model.projection import Projection
    from dr_transformer.model.unroll import Step

    Array = npt.NDArray[np.floating[Any]]


def embed(asked: Asked, load: Callable[[], Dataset], say: Callable[[str], None]) -> tuple[Path, ...]:
    """Write what is asked for; returns the files (none but on rank 0). `say` is told of what is unusual.

    Raises `InputError`; and `distributed.LostRankError`, where this is one of several processes.
    """
    asked.check(launched=launched())
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(_joined(asked))
        with _agreed(ranks):
            from dr_transformer.cli.embed_table import session_beside, targets, write

            to = None if ranks and ranks.rank else stack.enter_context(targets(asked))
            dataset = load()
        if ranks:
            ranks.check_equal("the data set", dataset.key)
        compute = _exact if asked.how.landmarks is None else _with_landmarks
        index, frames = compute(dataset.Y, asked, ranks) if asked.of_the_transformer else _other(dataset, asked, say)
        if to is None:
            return ()
        if asked.of_the_transformer:
            _say_if_lost(frames[-1], asked.block, say)
        run: dict[str, Any] = {"processes": ranks.size} if ranks else {}
        if index is not None:
            run |= {"landmarks": len(index), "landmark_choice": asked.how.landmark_choice}
        write(to, asked, dataset, frames, index, run)
    return tuple(path for path in (asked.out, session_beside(asked), asked.script) if path is not None)


def describe_cost(asked: Asked, data_config: DataConfig, load: Callable[[], Dataset]) -> str:
    """What `embed` would cost, for people. The data are looked at only if their number or their dtype is unknown."""
    asked.check(launched=launched())
    if not asked.of_the_transformer:
        raise InputError(f"--dry-run counts the transformer alone; leave it out with --method {asked.how.method}.")
    n, m, data_dtype = data_config.n_samples, asked.how.landmarks, "uint8"  # images; of digits float32, as good
    of_ones_own = data_config.dataset.lower().replace("_", "-") not in DATASETS
    if n is None or (of_ones_own and asked.config.precision == "auto"):
        dataset = load()
        n, data_dtype = dataset.n_samples, dataset.Y.dtype.name
    n_ranks = int(os.environ["WORLD_SIZE"]) if launched() else 1
    way = "exact" if m is None else f"{m} landmarks"
    of = "" if n_ranks == 1 else f"each of {n_ranks} processes: "
    return f"{n} tokens, {way}: {of}{cost(n, asked.computed, data_dtype, landmarks=m, n_ranks=n_ranks)}"


def progress(steps: Iterator[Step], n_blocks: int) -> Iterator[Step]:
    """The steps of a run, with a progress bar over blocks once it has taken a second."""
    from tqdm import tqdm

    with tqdm(total=n_blocks, desc="blocks", delay=1, leave=False) as bar:
        for step in steps:
            bar.update(step.ends_block and step.block > 0)
            yield step


def _exact(Y: Array, asked: Asked, ranks: Ranks | None) -> tuple[None, list[Array]]:
    """No landmarks, and the blocks asked for (all, or one): each (n, q); none of them but on rank 0."""
    if ranks:
        from dr_transformer.model.distributed import unroll_ranks

        steps = unroll_ranks(ranks, Y, asked.computed)
    else:
        from dr_transformer.model.unroll import unroll

        steps = unroll(Y, asked.computed)
    found = []
    for step in progress(steps, asked.block):
        if step.ends_block and (asked.trajectory or step.block == asked.block) and not (ranks and ranks.rank):
            found.append(step.X.cpu().numpy())
        if step.ends_block and step.block == asked.block:
            break
    return None, found


def _with_landmarks(Y: Array, asked: Asked, ranks: Ranks | None) -> tuple[npt.NDArray[np.intp], list[Array]]:
    """The landmarks, and as `_exact`. Each rank runs all landmarks itself, so ranks meet only at the end."""
    import torch
    from tqdm import tqdm

    from dr_transformer.model.landmarks import Landmarks, choose_landmarks
    from dr_transformer.model.projection import fit_projection
    from dr_transformer.model.unroll import check_tokens

    config, how = asked.computed, asked.how

    def choose() -> tuple[Projection, npt.NDArray[np.intp]]:
        projection = fit_projection(check_tokens(Y), config)
        m, seed = how.landmarks or 0, config.random_state
        return projection, choose_landmarks(Y, m, projection, choice=how.landmark_choice, random_state=seed)

    projection, index = ranks.share(choose) if ranks else choose()
    every = asked.trajectory or asked.block == 0
    with _agreed(ranks):
        rows = ranks.rows(len(Y)) if ranks else slice(0, len(Y))
        landmarks = Landmarks.of(Y, index, config, projection)
        with tqdm(total=rows.stop - rows.start, desc="tokens", delay=1, leave=False, unit_scale=True) as bar:
            X = landmarks.embed(Y, rows=rows, every_block=every, report=bar.update)
    blocks = list(X)[: asked.block + 1] if every else [X]
    if not ranks:
        return index, blocks
    collected = [ranks.collect(torch.from_numpy(block), len(Y)) for block in blocks]
    return index, [block.numpy() for block in collected if block is not None]


def _other(dataset: Dataset, asked: Asked, say: Callable[[str], None]) -> tuple[None, list[Array]]:
    """Another method's coordinates (n, k)."""
    from dr_transformer.cli.baseline import baseline_alone

    return None, [baseline_alone(dataset, asked.config, asked.baselines, asked.how.method, say)]


def _say_if_lost(X: Array, block: int, say: Callable[[str], None]) -> None:
    import torch

    from dr_transformer.model.collapse import is_lost, sentence

    if is_lost(torch.from_numpy(X)):
        say(sentence(torch.from_numpy(X), block))


@contextlib.contextmanager
def _joined(asked: Asked) -> Iterator[Ranks | None]:
    """All processes of the run, or None if this is the only one."""
    if not launched():
        yield None
        return
    from dr_transformer.model.distributed import joined

    with joined(asked.config, asked.how.timeout) as ranks:
        yield ranks


def _agreed(ranks: Ranks | None) -> contextlib.AbstractContextManager[None]:
    return ranks.agreed() if ranks else contextlib.nullcontext()
