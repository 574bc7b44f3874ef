"""Every parameter, declared once: default, range, help.

Widgets (`ui/sidebar.py`), terminal flags (`cli/commands.py`) and validation all read these declarations, so a parameter
has one name, one range and one sentence of help wherever it appears. The defaults are the paper's values (arXiv
2507.21040, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared, Parameter, declare

PROJECTIONS = ("gaussian", "pca")
ACTIVATIONS = ("none", "relu")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float64", "float32", "bfloat16")
VIEWS = ("axes", "pca", "fixed-pca", "aligned-pca")
SCALES = ("frame", "final")
SCALINGS = ("degree", "probdr")
ALIGNMENTS = ("none", "transformer", "laplacian", "umap", "pca")
DATASETS = ("mnist", "fashion-mnist", "kmnist", "digits")


@dataclass(frozen=True)
class DataConfig(Declared):
    """Which tokens. One row of the data (one flattened image) is one token."""

    dataset: str = declare(
        "mnist",
        "Data set",
        f"Whose images become tokens: {', '.join(DATASETS)}, a file of your own (.csv, .parquet, .npy, .npz, …), or a "
        "folder of images (paper: mnist).",
        "data",
    )
    n_samples: int | None = declare(
        None,
        "Tokens n",
        "How many images take part: the first 10 000 as in the paper, fewer for a class-balanced subset, or more.",
        "data",
        minimum=2,
        widget_range=(500, 10_000),
        step=500,
    )
    label: str = declare(
        "auto",
        "Labels from",
        "Of your own file: the column (or array) of the classes; auto looks for one, none takes none.",
        "data",
    )
    drop: str = declare(
        "",
        "Leave out",
        "Of your own file: columns that are no features, by their names, with commas between them.",
        "data",
    )


@dataclass(frozen=True)
class Config(Declared):
    """The hand-initialised transformer (paper, sections 3 and 4.1). Frozen: weights are a function of it.

    Raises `InputError` for a value outside its range, for η = ½ without an activation, and for an `n_components` that
    `n_heads` does not divide.
    """

    n_blocks: int = declare(
        8,
        "Blocks L",
        "Depth: how many transformer blocks the latents pass through (paper: 8).",
        "model",
        minimum=1,
        maximum=1024,
        widget_range=(1, 32),
        step=1,
    )
    alpha: float = declare(
        30.0,
        "Logit diagonal α",
        "Every diagonal entry of the pre-softmax attention matrix: larger means fewer, nearer neighbours (paper: 30).",
        "model",
        minimum=0,
        exclusive_minimum=True,
        widget_range=(1, 300),
        step=1,
    )
    eta: float = declare(
        0.4,
        "Learning rate η",
        "Step size: attention adds 2ηAX to the latents X (paper: 0.4, below ½).",
        "model",
        minimum=0,
        maximum=1,
        exclusive_minimum=True,
        widget_range=(0.01, 1),
        step=0.01,
    )
    n_components: int = declare(
        128,
        "Latent dimension q",
        "Number of latent dimensions the images are projected to (paper: 128).",
        "model",
        minimum=2,
        maximum=4096,
        widget_range=(2, 256),
        step=1,
    )
    random_state: int = declare(
        42,
        "Seed",
        "Seed of the random projection and of the subset of images (paper: 42).",
        "model",
        minimum=0,
        maximum=2**32 - 1,
    )
    mask_self: bool = declare(
        True, "Mask self-attention", "No token attends to itself, as a graph has no self-loops (paper: on).", "model"
    )
    graph_diffusion: bool = declare(
        False,
        "Graph diffusion A − I",
        "Replace A by the negative graph Laplacian A − I: X + 2η(A − I)X (paper's figure: off).",
        "model",
    )
    projection: str = declare(
        "gaussian",
        "Projection",
        "How pixels become the first latents: a random Gaussian matrix (paper) or PCA.",
        "more",
        choices=PROJECTIONS,
    )
    n_heads: int = declare(
        1,
        "Heads",
        "Attention heads, each on its own slice of the latent dimensions; must divide q (paper: 1).",
        "more",
        minimum=1,
        maximum=4096,
        widget_range=(1, 16),
        step=1,
    )
    activation: str = declare(
        "none",
        "Activation",
        "Feed-forward activation: none (paper's figure) or relu (the paper's sparsity prior).",
        "more",
        choices=ACTIVATIONS,
    )
    device: str = declare(
        "auto",
        "Device",
        "Where to compute: auto takes a GPU if there is one (cuda, or Apple's mps, without float64), else the CPU.",
        "more",
        choices=DEVICES,
    )
    precision: str = declare(
        "auto",
        "Precision",
        "Floating-point format: auto is float64 for float64 input, else float32 (as in the paper), or for more than "
        "20 000 tokens, on a processor that has it, bfloat16: twice as fast, right to two or three digits. On one that "
        "does not, float32 takes its place.",
        "more",
        choices=PRECISIONS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eta == 0.5 and self.activation == "none":
            raise InputError(
                "eta must not be exactly 0.5: the feed-forward step then subtracts each token from itself and "
                "LayerNorm would divide 0 by 0; choose a value beside it."
            )
        if self.n_components % self.n_heads:
            raise InputError(
                f"n_heads = {self.n_heads} must divide n_components = {self.n_components}, so that every head gets a "
                "slice of the same width."
            )
        if self.n_components == self.n_heads:
            raise InputError(
                f"n_heads must be smaller than n_components, but both are {self.n_heads}: one dimension a head is too "
                "few."
            )

    def notes(self) -> Iterator[str]:
        """Sentences on what to expect of these settings where it is not what the paper shows."""
        if self.n_components == 2:
            yield (
                "With two latent dimensions LayerNorm leaves of each token only which of the two is larger, so all "
                "tokens fall on two points."
            )
        if self.activation == "none" and self.eta > 0.5:
            yield (
                f"η = {self.eta:g} is above ½: each feed-forward step now turns every latent into its mirror image, so "
                "the picture flips through the origin at every block; clusters and distances are those of the "
                "un-flipped run, because attention sees only inner products."
            )
        if self.activation == "none" and 0 < abs(self.eta - 0.5) < 0.005:
            yield (
                f"η = {self.eta:g} is so near ½ that the feed-forward step all but cancels the latents, and "
                "LayerNorm's ε = 1e-10 becomes visible in their norms."
            )


@dataclass(frozen=True)
class ViewConfig(Declared):
    """Which plane of the latent space the explorer's picture shows, and how it is scaled."""

    view: str = declare(
        "axes",
        "View",
        "Which plane of the latent space is drawn: two latent axes (paper), or two principal components, each "
        "pointing as in the frame before.",
        "view",
        choices=VIEWS,
    )
    first_axis: int = declare(
        0, "Horizontal latent axis", "Latent axis drawn to the right (paper: 0).", "view", minimum=0, maximum=4095
    )
    second_axis: int = declare(
        1, "Vertical latent axis", "Latent axis drawn upwards (paper: 1).", "view", minimum=0, maximum=4095
    )
    view_block: int = declare(
        8,
        "Block of the PCA",
        "The block whose principal axes all blocks are drawn in.",
        "view",
        minimum=0,
        maximum=1024,
    )
    scale: str = declare(
        "frame",
        "Scale",
        "Fit the picture to every block as it passes, or keep the scale of the last block throughout.",
        "view",
        choices=SCALES,
    )
    three_d: bool = declare(
        False,
        "Show three dimensions",
        "Also draw the block at rest in three dimensions: the view's two, and the next axis or component.",
        "view",
    )


@dataclass(frozen=True)
class BaselineConfig(Declared):
    """Laplacian Eigenmaps, UMAP and PCA of the same tokens, and how their panels are drawn. Frozen."""

    n_neighbors: int = declare(
        15,
        "Neighbours k",
        "Of each token in the kNN graph of the pixels, which Laplacian Eigenmaps and UMAP both work on.",
        "baselines",
        minimum=1,
        maximum=1000,
        widget_range=(2, 50),
        step=1,
    )
    baseline_components: int = declare(
        2,
        "Dimensions of the baselines",
        "How many dimensions PCA, Laplacian Eigenmaps and UMAP reduce to; the panels show the first two.",
        "baselines",
        minimum=2,
        maximum=100,
        widget_range=(2, 32),
        step=1,
    )
    scaling: str = declare(
        "degree",
        "Laplacian Eigenmaps scaled",
        "Eigenvectors over √degree, as scikit-learn does, or U(Λ⁻¹ − βI)^½, the ProbDR model's maximum.",
        "baselines",
        choices=SCALINGS,
    )
    beta: float = declare(
        0.01,
        "Jitter β",
        "Of the ProbDR scaling (Λ⁻¹ − βI)^½; at most the inverse of the largest eigenvalue used.",
        "baselines",
        minimum=0,
        maximum=1000,
        widget_range=(0, 1),
        step=0.01,
    )
    min_dist: float = declare(
        0.1,
        "UMAP: least distance",
        "How near neighbours may come in UMAP's layout: 0 packs clusters tightly.",
        "baselines",
        minimum=0,
        maximum=1,
        widget_range=(0, 1),
        step=0.05,
    )
    umap_seeded: bool = declare(
        True,
        "UMAP: use the seed",
        "The same layout each time, at half the speed (7.4 s, not 4.0 s, for 10 000 on two AVX-512 cores): one core, "
        "not all.",
        "baselines",
    )
    align: str = declare(
        "none",
        "Align panels to",
        "Turn, mirror and scale each panel (Procrustes) to lie best on this one; distances within a panel keep their "
        "proportions.",
        "baselines",
        choices=ALIGNMENTS,
    )


PARAMETERS: dict[str, Parameter] = {
    name: parameter
    for declared in (DataConfig, Config, ViewConfig, BaselineConfig)
    for name, parameter in declared.parameters().items()
}
"""Every parameter that a person can set in the app, by name: those of data, model, view and baselines, as declared."""
