"""`dr-transformer web`: a run as one HTML file, without the app.

Imports torch only once it works, as `commands.py` does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dr_transformer.config import BaselineConfig, Config, ViewConfig
from dr_transformer.errors import InputError
from dr_transformer.types import Say

if TYPE_CHECKING:
    from dr_transformer.data.dataset import Dataset
    from dr_transformer.engine.baselines import BaselineRun


def web(
    out: Path,
    config: Config,
    view: ViewConfig,
    baseline_config: BaselineConfig | None,
    load: Callable[[], Dataset],
    say: Say,
    *,
    recorded: bool = True,
) -> None:
    """Write `out`: a page that runs the model itself, or with `recorded` one that has the pictures of this run.

    A recorded one has Laplacian Eigenmaps, UMAP and PCA beside it if there is a `baseline_config`. `say` is told what
    is being done. Raises `InputError`.
    """
    from dr_transformer.export.files import check_page, whole_file

    check_page(out)
    from dr_transformer.engine.run import Run
    from dr_transformer.export.pages.live_page import live_page
    from dr_transformer.export.pages.run_page import run_page

    with whole_file(out) as target:
        dataset = load()
        run = Run(dataset, config)
        run.owners.add("web")
        say(f"{dataset.n_samples} tokens pass through {config.n_blocks} blocks, and are measured …")
        run.work()
        if run.error is not None:
            raise InputError(run.error)
        if run.full.lost:
            say(run.full.lost)
        if not recorded:
            target.write_bytes(live_page(run, view))
            return
        baselines = None
        if baseline_config is not None:
            say("Laplacian Eigenmaps, PCA and UMAP follow; UMAP compiles at first, for some 20 seconds …")
            baselines = _baselines(dataset, config, baseline_config)
        target.write_bytes(run_page(run, view, baselines=baselines))
    for method in baselines.methods.values() if baselines else ():
        if method.error:
            say(f"{method.name} is missing: {method.error}")


def _baselines(dataset: Dataset, config: Config, baseline_config: BaselineConfig) -> BaselineRun:
    from dr_transformer.engine.baselines import BaselineRun
    from dr_transformer.methods.graph_store import GraphStore
    from dr_transformer.methods.umap_worker import UMAPWorker

    with closing(UMAPWorker()) as worker:
        baselines = BaselineRun(dataset, config, baseline_config, GraphStore(), worker)
        baselines.owners.add("web")
        baselines.work()
    if baselines.error is not None:
        raise InputError(baselines.error)
    return baselines
