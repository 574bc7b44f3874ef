"""What `dr-transformer embed` is asked for: its parameters, and which of them make sense together. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared, Parameter, declare

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
        """Whether the latents are asked for, not another method's coordinates."""
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
        """Whether the file is as the app's tab Data saves it; else it is embed's own .npz, images and all."""
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
