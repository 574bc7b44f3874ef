"""script.py is run as people run it, and gives the same numbers to the last bit."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BaselineRun
from dr_transformer.export.script import script
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from tests.helpers.plain_views import aligned_pca_view

CONFIG = Config(n_components=16, n_blocks=3, alpha=12.5, eta=0.35, mask_self=False, random_state=7)
BASELINES = BaselineConfig(n_neighbors=12, baseline_components=3, scaling="probdr", beta=0.02, min_dist=0.3)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("mnist", 200, 7)


@pytest.fixture(scope="module")
def latents(data: Dataset) -> list[np.ndarray]:
    return [step.X.numpy() for step in unroll(data.Y, CONFIG) if step.ends_block]


@pytest.fixture(scope="module")
def baselines(data: Dataset, worker: UMAPWorker) -> BaselineRun:
    """As the app computes them."""
    run = BaselineRun(data, CONFIG, BASELINES, GraphStore(), worker)
    run.owners.add("test")
    run.work()
    assert run.complete
    return run


SCRIPTS = {
    "last": {},
    "first": {"block": 0},
    "plane": {"block": 2, "view": ViewConfig(view="aligned-pca", scale="final")},
    "laplacian": {"method": "laplacian", "baselines": BASELINES},
    "pca": {"method": "pca", "baselines": BASELINES},
    "umap": {"method": "umap", "baselines": BASELINES},
}


def run_scripts(folders: Iterable[Path]) -> subprocess.CompletedProcess[str]:
    """Each folder's script.py in that folder, all by one interpreter, for starting one takes longer than they do."""
    code = "import os, runpy, sys\nfor f in sys.argv[1:]: os.chdir(f); runpy.run_path('script.py', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code, *map(str, folders)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def computed(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """What the scripts write, by name."""
    home = tmp_path_factory.mktemp("scripts")
    for name, asked in SCRIPTS.items():
        (home / name).mkdir()
        (home / name / "script.py").write_text(script(CONFIG, data, **asked), encoding="utf-8")  # type: ignore[arg-type]
    done = run_scripts(home / name for name in SCRIPTS)
    assert done.returncode == 0, done.stderr
    found = {}
    for name in SCRIPTS:
        with np.load(home / name / "latents.npz") as file:
            found[name] = dict(file)
    return found


def test_all_coordinates_of_a_block(
    computed: dict[str, dict[str, np.ndarray]], data: Dataset, latents: list[np.ndarray]
) -> None:
    np.testing.assert_array_equal(computed["last"]["embedding"], latents[3])
    np.testing.assert_array_equal(computed["first"]["embedding"], latents[0])
    np.testing.assert_array_equal(computed["last"]["labels"], data.labels)
    for asked in SCRIPTS.values():
        source = script(CONFIG, data, **asked)  # type: ignore[arg-type]
        assert len(source.splitlines()) < 20
        assert max(len(line) for line in source.splitlines()) < 160


def test_the_plane_on_screen(computed: dict[str, dict[str, np.ndarray]], latents: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(computed["plane"]["embedding"], aligned_pca_view(latents)[2])


@pytest.mark.parametrize("method", ["laplacian", "pca", "umap"])
def test_the_baselines(method: str, computed: dict[str, dict[str, np.ndarray]], baselines: BaselineRun) -> None:
    expected = baselines.methods[method].embedding
    assert expected is not None
    assert expected.shape == (200, 3)
    # As many threads in both processes would give the same bits, but BLAS takes fewer on a busy machine.
    rounding = 0 if method == "umap" else 1e-12 * abs(expected).max()
    np.testing.assert_allclose(computed[method]["embedding"], expected, rtol=0, atol=rounding)


def test_a_file_of_ones_own_and_only_that(tmp_path: Path) -> None:
    path = tmp_path / "it's mine.csv"
    path.write_text("a,b,c\n1,2,3\n3,4,0\n5,1,1\n")
    data, config = load(path), Config(n_components=3, n_blocks=1)
    source = script(config, data)
    assert str(tmp_path) not in source
    *_, last = unroll(data.Y, config)
    changed = tmp_path / "changed"
    changed.mkdir()
    for folder in (tmp_path, changed):
        (folder / "script.py").write_text(source, encoding="utf-8")
    (changed / path.name).write_text("a,b,c\n1,2,3\n3,4,0\n5,1,2\n")
    done = run_scripts([tmp_path, changed])
    with np.load(tmp_path / "latents.npz") as found:
        np.testing.assert_array_equal(found["embedding"], last.X.numpy())
        assert "labels" not in found.files
    assert not (changed / "latents.npz").exists()
    assert done.returncode != 0  # 1, or what a library's threads make of it when Python ends
    assert "these are other tokens" in done.stderr


def test_only_what_differs_from_the_defaults_is_spelt_out(data: Dataset) -> None:
    assert "config = Config()\n" in script(Config(), data)
    expected = "Config(n_blocks=3, alpha=12.5, eta=0.35, n_components=16, random_state=7, mask_self=False)"
    assert f"config = {expected}\n" in script(CONFIG, data)
    assert "no two layouts of UMAP are the same" in script(
        CONFIG, data, "umap", baselines=BaselineConfig(umap_seeded=False)
    )


def test_what_cannot_be_reproduced(data: Dataset) -> None:
    with pytest.raises(InputError, match="method must be one of transformer, laplacian, umap, pca"):
        script(CONFIG, data, "tsne")
    with pytest.raises(InputError, match="block = 4 is not there"):
        script(CONFIG, data, block=4)
