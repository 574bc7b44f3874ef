"""`dr-transformer embed`: latents, exactly or with landmarks, by one process or by several; or another method's map.

Imports torch only once it works, as `commands.py` does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.config import DATASETS, DataConfig
from dr_transformer.errors import InputError
from dr_transformer.model.cost import cost
from dr_transformer.paths import launched

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dr_transformer.data.dataset import Dataset
    from dr_transformer.model.distributed import Ranks
    from dr_transformer.model.projection import Projection
    from dr_transformer.model.unroll import Step

    Array = npt.NDArray[np.floating[Any]]
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dr_transformer.config import BaselineConfig, Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.export import script as reproduce
from dr_transformer.export import session_file, tables
from dr_transformer.export.files import save_npz, settings, whole_file
from dr_transformer.parameters import Declared, Parameter, declare
from dr_transformer.types import Floats


def embed(asked: Asked, load: Callable[[], Dataset], say: Callable[[str], None]) -> tuple[Path, ...]:
    """Write what is asked for; returns the files (none but on rank 0). `say` is told of what is unusual.

    Raises `InputError`; and `distributed.LostRankError`, where this is one of several processes.
    """
    asked.check(launched=launched())
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(_joined(asked))
        with _agreed(ranks):
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
    """Return what `embed` would cost, for people.

    The data are looked at only if their number or their dtype is unknown.
    """
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
    from dr_transformer.cli.transform import baseline_alone

    return None, [baseline_alone(dataset, asked.config, asked.baselines, asked.how.method, say)]


def _say_if_lost(X: Array, block: int, say: Callable[[str], None]) -> None:
    import torch

    from dr_transformer.model.collapse import is_lost, sentence

    if is_lost(torch.from_numpy(X)):
        say(sentence(torch.from_numpy(X), block))


@contextlib.contextmanager
def _joined(asked: Asked) -> Iterator[Ranks | None]:
    """Return all processes of the run, or None if this is the only one."""
    if not launched():
        yield None
        return
    from dr_transformer.model.distributed import joined

    with joined(asked.config, asked.how.timeout) as ranks:
        yield ranks


def _agreed(ranks: Ranks | None) -> contextlib.AbstractContextManager[None]:
    return ranks.agreed() if ranks else contextlib.nullcontext()


# What `dr-transformer embed` is asked for: its parameters, and which of them make sense together. Imports no torch.

SUFFIXES = (".npz", ".csv", ".parquet")
USED_BY = {  # which parameters of `BaselineConfig` change a method's embedding; `align` turns the app's panels alone
    "transformer": (),
    "laplacian": ("n_neighbors", "baseline_components", "scaling", "beta"),
    "umap": ("n_neighbors", "baseline_components", "min_dist", "umap_seeded"),
    "pca": ("baseline_components",),
}


@dataclass(frozen=True)
class EmbedConfig(Declared):
    """Whose map is written, and how a run is made whose size matters. The model's parameters are not among them."""

    method: str = declare(
        "transformer",
        "Method",
        "Whose map of the tokens; a .npz of another method is as the app's tab Data saves it.",
        "run",
        choices=tuple(USED_BY),
    )
    block: int | None = declare(
        None,
        "Block",
        "After which block the latents are taken (by default the last); 0 is before the first. A .npz of one block is "
        "as the app's tab Data saves it.",
        "run",
        minimum=0,
        maximum=1024,
    )
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


def baseline_parameters() -> dict[str, Parameter]:
    """The parameters of `BaselineConfig` that change what is written."""
    used = {name for names in USED_BY.values() for name in names}
    return {name: parameter for name, parameter in BaselineConfig.parameters().items() if name in used}


@dataclass(frozen=True)
class Asked:
    """One call of `embed`. `said` are the names of those baseline parameters that were given, not left to default."""

    out: Path
    config: Config = field(default_factory=Config)
    how: EmbedConfig = field(default_factory=EmbedConfig)
    baselines: BaselineConfig = field(default_factory=BaselineConfig)
    said: frozenset[str] = frozenset()
    trajectory: bool = False
    script: Path | None = None

    @property
    def suffix(self) -> str:
        """The ending, which says the format."""
        return self.out.suffix.lower()

    @property
    def of_the_transformer(self) -> bool:
        """Tell whether the latents are asked for, not another method's coordinates."""
        return self.how.method == "transformer"

    @property
    def block(self) -> int:
        """After which block the embedding is taken."""
        return self.config.n_blocks if self.how.block is None else self.how.block

    @property
    def computed(self) -> Config:
        """The model as far as it has to be run: later blocks change nothing of earlier ones; it has one at least."""
        return replace(self.config, n_blocks=max(self.block, 1)) if self.of_the_transformer else self.config

    @property
    def as_a_table(self) -> bool:
        """Tell whether the file is as the app's tab Data saves it; else it is embed's own .npz, images and all."""
        return self.suffix != ".npz" or not self.of_the_transformer or self.how.block is not None

    def check(self, *, launched: bool) -> None:
        """Raise `InputError` for what does not go together; `launched`: this is one of several processes."""
        if self.suffix not in SUFFIXES:
            raise InputError(f"cannot write {self.out.name!r}: the name must end in .npz, .csv or .parquet.")
        if self.script is not None and self.script.suffix.lower() != ".py":
            raise InputError(f"cannot write {self.script.name!r}: the name of the script must end in .py.")
        if self.script is not None and launched:
            raise InputError(
                "--script gives the numbers of one process, to the last digit; leave it out, or start embed without "
                "torchrun."
            )
        if not self.of_the_transformer:
            self._check_baseline(launched)
        for name in sorted(self.said - set(USED_BY[self.how.method])):
            raise InputError(f"{name} changes nothing of --method {self.how.method}; leave it out.")
        if self.trajectory and self.how.block is not None:
            raise InputError("--trajectory writes every block, and --block one; leave one of them out.")
        if self.trajectory and self.suffix != ".npz":
            raise InputError(
                f"--trajectory writes a table for each block, which only a .npz file holds, not {self.out.name!r}; "
                "name a .npz file, or choose one --block."
            )
        if self.block > self.config.n_blocks:
            raise InputError(f"block = {self.block} is not there: this run has the blocks 0 to {self.config.n_blocks}.")

    def _check_baseline(self, launched: bool) -> None:
        method = self.how.method
        flags = {"trajectory": self.trajectory, "block": self.how.block is not None, "landmarks": self.how.landmarks}
        for flag, given in flags.items():
            if given:
                raise InputError(f"--{flag} is for the transformer alone; leave it out with --method {method}.")
        if launched:
            raise InputError(f"--method {method} is computed by one process; start embed without torchrun.")


# The files of `dr-transformer embed`: all of them whole, or none.


class Targets(NamedTuple):
    """Name where to write: the table, a CSV's settings beside it, and the script; None where there is none."""

    table: Path
    session: Path | None
    script: Path | None


def session_beside(asked: Asked) -> Path | None:
    """The session file that holds a CSV's settings, named as the app names it."""
    return asked.out.with_name(asked.out.stem + session_file.SUFFIX) if asked.suffix == ".csv" else None


@contextlib.contextmanager
def targets(asked: Asked) -> Iterator[Targets]:
    """Temporary neighbours of the files, which become these only if the block ends well. Raises `InputError`."""
    session = session_beside(asked)
    if session is not None:
        _check_replaceable(session)
    with contextlib.ExitStack() as stack:
        table, *others = (
            None if path is None else stack.enter_context(whole_file(path))
            for path in (asked.out, session, asked.script)
        )
        assert table is not None
        yield Targets(table, *others)


def write(
    to: Targets,
    asked: Asked,
    dataset: Dataset,
    blocks: list[Floats],
    landmarks: npt.NDArray[np.intp] | None,
    run: Mapping[str, Any],
) -> None:
    """Write all files. `blocks` are those asked for, each (n, k), and the last of them is the embedding.

    `run`: in which way they were computed, if not the plain one.
    """
    how = asked.how
    if asked.as_a_table:
        made_with = table_settings(asked, dataset, run)
        to.table.write_bytes(tables.encode(asked.suffix, blocks[-1], dataset, made_with))
        if to.session is not None:
            to.session.write_bytes(session_file.dump(made_with))
    else:
        every = np.stack(blocks) if asked.trajectory else None
        save_npz(to.table, blocks[-1], every, asked.config, dataset, landmarks=landmarks, run=run)
    if to.script is not None:
        source = reproduce.script(
            asked.config,
            dataset,
            how.method,
            block=asked.block if asked.of_the_transformer else None,
            baselines=asked.baselines,
            landmarks=how.landmarks,
            landmark_choice=how.landmark_choice,
        )
        to.script.write_text(source, encoding="utf-8")


def table_settings(asked: Asked, dataset: Dataset, run: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a table, as the app writes them (`export.job.TableJob.made_with`), in the paper's view."""
    of: dict[str, Any] = {"method": asked.how.method}
    if asked.of_the_transformer:
        of |= {"block": asked.block, "coordinates": "all"}
    parts = {} if asked.of_the_transformer else {"baselines": asked.baselines}
    return settings(asked.config, dataset, {**of, **run}, view=ViewConfig(), **parts)


def _check_replaceable(session: Path) -> None:
    """Raise `InputError` if a file of this name holds more than settings: somebody's notes or selection, say."""
    if not session.is_file():
        return
    try:
        kept = session_file.load(session.read_bytes(), session.name)
        more = bool(kept.selection or kept.notes or kept.depth is not None)
    except (InputError, OSError):
        more = True
    if more:
        raise InputError(
            f"{session.name} would hold the settings of the CSV, but a file of this name holds other things already; "
            "choose another name for the CSV."
        )
