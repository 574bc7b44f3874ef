"""Data of any size: the same latents up to a power of two, or one sentence; and what has collapsed is said."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dr_transformer import PCA, Config, InputError, LaplacianEigenmaps, TransformerDR, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.config import ViewConfig
from dr_transformer.data.null import gaussian_like
from dr_transformer.engine.run import Run
from dr_transformer.export.pages.run_page import run_page
from dr_transformer.model.collapse import is_lost
from dr_transformer.model.landmarks import Landmarks, choose_landmarks
from dr_transformer.model.magnitude import drawable, moderate, times_power
from dr_transformer.model.projection import fit_projection
from dr_transformer.model.unroll import layer_norm
from dr_transformer.quality.metrics import effective_rank
from dr_transformer.quality.scores import Reference, quality
from tests.helpers.machine import has_bfloat16

X = np.random.default_rng(0).normal(size=(120, 6))
SETTINGS = {"n_components": 6, "n_blocks": 2}


def _last(Y: np.ndarray, **changes: object) -> np.ndarray:
    *_, step = unroll(Y, Config(**SETTINGS | changes))
    return step.X.numpy()


@pytest.mark.parametrize("projection", ["gaussian", "pca"])
@pytest.mark.parametrize(
    ("dtype", "powers"),
    [("f4", [-80, -30, -12, 30, 60, 90, 125]), ("f8", [-900, -515, -100, -30, -12, 30, 100, 515, 700, 1000, 1020])],
)
def test_latents_are_free_of_scale(dtype: str, powers: list[int], projection: str) -> None:
    """To the last bit between powers of two; the 1e-10 of LayerNorm is nothing from 2²⁰ on."""
    Y = X.astype(dtype)
    expected = _last(np.ldexp(Y, 20), projection=projection)
    for power in powers:
        np.testing.assert_array_equal(_last(np.ldexp(Y, power), projection=projection), expected)
    np.testing.assert_allclose(expected, _last(Y, projection=projection), atol=2e-9 if dtype == "f8" else 1e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e20, 3e37])
def test_the_way_through_landmarks_and_new_tokens_is_free_of_scale_too(scale: float) -> None:
    for dtype, settings in (("f4", {}), ("f8", {}), ("f4", {"landmarks": 30}), ("f8", {"landmarks": 30})):
        near, far = (TransformerDR(**SETTINGS, **settings).fit(Y.astype(dtype)) for Y in (X, X * scale))
        np.testing.assert_allclose(far.embedding_, near.embedding_, atol=2e-6)
        np.testing.assert_allclose(far.transform((X * scale).astype(dtype)), far.embedding_, atol=1e-6)
        assert far.messages_ == ()
    config = Config(**SETTINGS)
    Y = X * 1e200
    index = choose_landmarks(Y, 30, fit_projection(Y, config))
    np.testing.assert_array_equal(index, choose_landmarks(X * 2.0**60, 30, fit_projection(X, config)))
    assert np.isfinite(Landmarks.of(Y, index, config).embed(Y)).all()


def test_each_row_has_its_own_power() -> None:
    """A row far from the others is scaled alone: by one power for all, the others would vanish beside it."""
    rows = torch.tensor([[1.0, 2, 4], [1e30, -3e30, 2e30], [1e-2, 2e-2, 5e-2], [1e-7, 3e-7, 0], [0, 0, 0]])
    found = moderate(rows)
    assert torch.equal(found[[0, 2, 4]], rows[[0, 2, 4]])
    assert torch.equal(times_power(found[3], -41), rows[3])
    assert 2.0**18 < found[1].abs().max() <= 2.0**20
    assert torch.equal(times_power(found[1], 82), rows[1])
    normed = layer_norm(found, 3).double()
    exact = rows[1].double() - rows[1].double().mean()
    np.testing.assert_allclose(normed[1], exact / exact.norm() * (3 / 3) ** 0.5, rtol=1e-6)
    Y = X.copy()
    Y[7] = 1e300
    np.testing.assert_array_equal(_first(Y)[np.arange(120) != 7], _first(X)[np.arange(120) != 7])


def _first(Y: np.ndarray) -> np.ndarray:
    return next(step.X.numpy() for step in unroll(Y, Config(**SETTINGS)) if step.name == "layer_norm_0")


@pytest.mark.parametrize(
    ("Y", "settings", "sentence"),
    [
        (X * 1e155, {"precision": "float32"}, "too large for float32"),
        (X * 1e155, {"precision": "bfloat16" if has_bfloat16() else "float32"}, "too large for float32"),
        ((X / np.abs(X).max() * 3.4e38).astype("f4") * np.float32(1), {}, None),  # its projection still fits
        (X / np.abs(X).max() * 1.7e308, {"n_components": 40}, "too large to project"),
        (X, {"alpha": 1e308}, "attention at alpha = 1e\\+308 is not finite"),
        (X.astype("f4"), {"alpha": 1e38}, "too large for float32; use a smaller alpha"),
    ],
)
def test_what_cannot_be_represented_is_one_sentence(Y: np.ndarray, settings: dict, sentence: str | None) -> None:
    if sentence is None:
        assert np.isfinite(_last(Y, **settings)).all()
        return
    with pytest.raises(InputError, match=sentence):
        _last(Y, **settings)
    with pytest.raises(InputError, match=sentence):
        TransformerDR(**SETTINGS | settings).fit(Y)


@pytest.mark.parametrize("power", [-1000, -600, 66, 300, 515, 1000])
def test_pca_and_laplacian_eigenmaps_are_free_of_scale(power: int) -> None:
    Y = np.ldexp(X, power)
    near, far = PCA(3).fit(X), PCA(3).fit(Y)
    np.testing.assert_array_equal(far.embedding_, np.ldexp(near.embedding_, power))
    np.testing.assert_array_equal(far.components_, near.components_)
    np.testing.assert_array_equal(far.explained_variance_ratio_, near.explained_variance_ratio_)
    np.testing.assert_allclose(far.transform(Y), far.embedding_, rtol=1e-9, atol=1e-14 * np.abs(far.embedding_).max())
    maps = LaplacianEigenmaps().fit(Y)
    np.testing.assert_allclose(maps.embedding_, LaplacianEigenmaps().fit(X).embedding_, atol=1e-12)
    np.testing.assert_allclose(maps.transform(Y), maps.embedding_, atol=1e-12)
    noise = gaussian_like(Y, random_state=3)
    np.testing.assert_allclose(np.ldexp(noise, -power), gaussian_like(X, random_state=3), rtol=1e-12)
    found, expected = (quality(P[:, :2], Reference.of(P)).figures for P in (Y, X))
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_picture_of_any_size_is_the_same_picture() -> None:
    assert drawable(X) is X
    for scale, power in ((1e300, 60), (1e-300, -60)):
        found = drawable(X * scale)
        assert 2.0 ** (power - 1) <= np.abs(found).max() <= 2.0**power
        np.testing.assert_allclose(found / found[0, 0], X / X[0, 0], rtol=1e-12)


@pytest.mark.parametrize("projection", ["gaussian", "pca"])
@pytest.mark.parametrize(
    "case",
    ["float32 × 1e20", "float64 × 1e155", "float32's largest", "float32 × 1e-20", "float64 × 1e-155", "a far row"],
)
def test_a_run_of_such_data_is_drawn_and_written(case: str, projection: str, tmp_path: Path) -> None:
    Y = {
        "float32 × 1e20": (X * 1e20).astype("f4"),
        "float64 × 1e155": X * 1e155,
        "float32's largest": (X / np.abs(X).max() * 3.4e38).astype("f4"),
        "float32 × 1e-20": (X * 1e-20).astype("f4"),
        "float64 × 1e-155": X * 1e-155,
        "a far row": np.where(np.arange(120)[:, None] == 7, 9.96921e36, X).astype("f4"),
    }[case]
    np.save(tmp_path / "rows.npy", Y)
    run = Run(load(str(tmp_path / "rows.npy")), Config(projection=projection, **SETTINGS))
    run.owners.add("a")
    run.work()
    assert run.error is None
    assert run.finished
    assert run.full.start is not None
    assert np.isfinite(run.full.start).all()
    for view in ("axes", "pca", "fixed-pca", "aligned-pca"):
        assert len(run_page(run, ViewConfig(view=view))) > 100_000
    assert run.analysis.curves["effective_rank"][-1] == effective_rank(run.full.latents[-1])


@pytest.mark.parametrize("view", ["axes", "pca"])
def test_the_terminal_draws_such_data(view: str, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", (X * 1e20).astype("f4"))
    flags = ["--dataset", str(tmp_path / "rows.npy"), "--n-components", "6", "--n-blocks", "2"]
    assert main(["figure", str(tmp_path / "a.png"), *flags, "--view", view]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert main(["embed", str(tmp_path / "a.npz"), *flags, "--projection", "pca"]) == 0
    assert np.isfinite(load(tmp_path / "a.npz").Y).all()


# --- what has collapsed is said ---------------------------------------------------------------------------------------

DEEP = {"n_components": 6, "n_blocks": 64, "alpha": 0.1}


def test_tokens_that_have_collapsed_are_said_in_python() -> None:
    with pytest.warns(UserWarning, match="the tokens have collapsed to one point: at block 64"):
        model = TransformerDR(**DEEP).fit(X.astype("f4"))
    assert len(model.messages_) == 1
    assert is_lost(torch.from_numpy(model.embedding_))
    with pytest.warns(UserWarning, match="collapsed"):
        TransformerDR(**SETTINGS).fit(np.tile(X[0], (20, 1)))
    assert TransformerDR(**SETTINGS).fit(X).messages_ == ()


def test_tokens_that_have_collapsed_are_said_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "rows.npy", X.astype("f4"))
    flags = ["--dataset", str(tmp_path / "rows.npy"), "--n-components", "6", "--n-blocks", "64", "--alpha", "0.1"]
    for command in (["embed", str(tmp_path / "a.npz")], ["figure", str(tmp_path / "a.png")]):
        main([*command, *flags])
        assert capsys.readouterr().err.count("the tokens have collapsed to one point") == 1
