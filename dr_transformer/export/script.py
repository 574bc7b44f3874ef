"""`script.py`: a few lines of the package's public functions that give the numbers of a saved embedding again."""

from __future__ import annotations

from dr_transformer import __version__
from dr_transformer.config import BaselineConfig, Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.data.reading.rows import Choice
from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared

METHODS = ("transformer", "laplacian", "umap", "pca")


def script(
    config: Config,
    dataset: Dataset,
    method: str = "transformer",
    *,
    block: int | None = None,
    view: ViewConfig | None = None,
    baselines: BaselineConfig | None = None,
    landmarks: int | None = None,
    landmark_choice: str = "k-means++",
) -> str:
    """Python source that computes `embedding` and writes it, with labels, to latents.npz in the current folder.

    `block` is the transformer's, by default its last; `view` asks for the plane (n, 2) that it shows, None for all
    coordinates. With `landmarks` so many tokens run the model and all others attend to them. What differs from the
    defaults is spelt out. A user's file is named without its folder. Raises `InputError` for a method or a block that
    there is not.
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, but is {method!r}.")
    chosen = baselines or BaselineConfig()
    if method == "transformer":
        block = config.n_blocks if block is None else block
        if not 0 <= block <= config.n_blocks:
            raise InputError(f"block = {block} is not there: this run has the blocks 0 to {config.n_blocks}.")
        if dataset.trajectory is None:
            imports, body = _transformer(config, block, view, landmarks, landmark_choice)
        else:
            imports, body = _layers(block, view, config.n_blocks)
    else:
        imports, body = {"laplacian": _laplacian, "pca": _pca, "umap": _umap}[method](config, chosen)
    seed = config.random_state
    lines = [
        f'"""The embedding saved by dr-transformer {__version__}: pip install dr-transformer=={__version__}."""',
        "",
        *sorted({*imports, "import numpy as np"}, key=lambda line: (line.startswith("from dr"), line)),
        "",
        f"data = load({dataset.name!r}, n_samples={dataset.n_samples}, random_state={seed}{_chosen(dataset.choice)})",
        f"assert data.key == {dataset.key!r}, 'these are other tokens'",
        *body,
        'np.savez("latents.npz", embedding=embedding, **({} if data.labels is None else {"labels": data.labels}))',
        "",
    ]
    return "\n".join(lines)


def _chosen(choice: Choice) -> str:
    """The further arguments of `load`, for a file that was not read as it is by itself."""
    label = "" if choice.label == "auto" else f", label={choice.label!r}"
    return label + (f", drop={choice.drop!r}" if choice.drop else "")


def _call(settings: Declared) -> str:
    """The constructor's call, with what differs from the defaults."""
    defaults = {name: parameter.default for name, parameter in settings.parameters().items()}
    changed = [f"{name}={value!r}" for name, value in settings.to_dict().items() if value != defaults[name]]
    return f"{type(settings).__name__}({', '.join(changed)})"


def _layers(block: int, view: ViewConfig | None, last: int) -> tuple[list[str], list[str]]:
    """A layer of the user's own network, which is in the file."""
    imports = ["from dr_transformer import load"]
    if view is None:
        return imports, [f"embedding = data.trajectory[{block}]"]
    seen, source = _seen("data.trajectory", view, str(last), block)
    return [*imports, *seen], [source]


def _seen(latents: str, view: ViewConfig, last: str, block: int) -> tuple[list[str], str]:
    """What to import for a block's plane in the view, and the line that gives it."""
    imports = ["from dr_transformer.config import ViewConfig", "from dr_transformer.model.planes import blocks_in_view"]
    drawn = ViewConfig(**{n: v for n, v in view.to_dict().items() if n not in ("scale", "three_d")})
    return imports, f"embedding = blocks_in_view(dict(enumerate({latents})), {_call(drawn)}, {last})[{block}]"


def _transformer(
    config: Config, block: int, view: ViewConfig | None, landmarks: int | None, choice: str
) -> tuple[list[str], list[str]]:
    body = [f"config = {_call(config)}"]
    if landmarks is None:
        imports = ["from dr_transformer import Config, load, unroll"]
        body.append("latents = [step.X.cpu().numpy() for step in unroll(data.Y, config) if step.ends_block]")
    else:
        imports = [
            "from dr_transformer import Config, load",
            "from dr_transformer.model.landmarks import Landmarks, choose_landmarks",
            "from dr_transformer.model.projection import fit_projection",
        ]
        said = f"choice={choice!r}, random_state={config.random_state}"
        body += [
            "projection = fit_projection(data.Y, config)",
            f"index = choose_landmarks(data.Y, {landmarks}, projection, {said})",
            "landmarks = Landmarks.of(data.Y, index, config, projection)",
        ]
        if view is None and block == config.n_blocks:
            return imports, [*body, "embedding = landmarks.embed(data.Y)"]
        body.append("latents = landmarks.embed(data.Y, every_block=True)")
    if view is None:
        return imports, [*body, f"embedding = latents[{block}]"]
    seen, source = _seen("latents", view, "config.n_blocks", block)
    return [*imports, *seen], [*body, source]


def _laplacian(config: Config, chosen: BaselineConfig) -> tuple[list[str], list[str]]:
    beta = chosen.beta if chosen.scaling == "probdr" else None
    arguments = f"{chosen.baseline_components}, n_neighbors={chosen.n_neighbors}, beta={beta!r}"
    return (
        ["from dr_transformer import LaplacianEigenmaps, load"],
        [f"embedding = LaplacianEigenmaps({arguments}, random_state={config.random_state}).fit_transform(data.Y)"],
    )


def _pca(config: Config, chosen: BaselineConfig) -> tuple[list[str], list[str]]:
    del config
    return (
        ["from dr_transformer import load", "from dr_transformer.methods.pca import pca"],
        [f"embedding = pca(data.Y, {chosen.baseline_components}).scores"],
    )


def _umap(config: Config, chosen: BaselineConfig) -> tuple[list[str], list[str]]:
    settings = (
        f"UMAPSettings(n_components={chosen.baseline_components}, n_neighbors={chosen.n_neighbors + 1}, "
        f"min_dist={chosen.min_dist!r}, random_state={config.random_state if chosen.umap_seeded else None!r})"
    )
    said = [] if chosen.umap_seeded else ["# Without a seed no two layouts of UMAP are the same."]
    return (
        [
            "from contextlib import closing",
            "from dr_transformer import load",
            "from dr_transformer.methods.graph import knn_graph",
            "from dr_transformer.methods.umap import UMAPSettings",
            "from dr_transformer.methods.umap_worker import UMAPWorker",
        ],
        [
            *said,
            f"settings = {settings}  # umap-learn counts the token itself among its neighbours",
            "with closing(UMAPWorker()) as worker:",
            f"    graph = knn_graph(data.Y, {chosen.n_neighbors})",
            '    run = worker.submit(data.Y, graph, settings, data.key, "script")',
            "    run.wait()",
            "assert run.error is None, run.error",
            "embedding = run.frames[-1]",
        ],
    )
