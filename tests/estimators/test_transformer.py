"""`TransformerDR` as a scikit-learn citizen, and its `transform` of new tokens."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from dr_transformer import Config, InputError, TransformerDR, unroll
from tests.model.test_unroll import tokens

# These checks feed what no LayerNorm can take, and expect it to be taken. `test_checks_in_two_dimensions` runs the same
# checks with that one thing mended, so nothing else can hide behind them.
ONE_COMPONENT = "sets n_components = 1, where LayerNorm of a single number is 0/0: refused, with a sentence"
EXPECTED = {
    "check_dont_overwrite_parameters": ONE_COMPONENT,
    "check_methods_sample_order_invariance": ONE_COMPONENT,
    "check_methods_subset_invariance": ONE_COMPONENT,
    "check_fit2d_1sample": ONE_COMPONENT,
    "check_fit2d_1feature": ONE_COMPONENT,
    "check_fit2d_predict1d": ONE_COMPONENT,
}


class Forgiving(TransformerDR):
    """`TransformerDR` that reads n_components = 1 as 2."""

    def config(self) -> Config:
        asked, self.n_components = self.n_components, max(self.n_components, 2)
        try:
            return super().config()
        finally:
            self.n_components = asked


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")  # array API check: needs SCIPY_ARRAY_API
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EstimatorCheckFailedWarning")  # the expected ones
def test_check_estimator() -> None:
    results = check_estimator(TransformerDR(), expected_failed_checks=EXPECTED)
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "xfail"}
    assert failed.keys() == EXPECTED.keys()  # a check that came to pass must leave the list
    assert all(
        "n_components must be at least 2" in failed[n]
        for n, why in EXPECTED.items()
        if why is ONE_COMPONENT and n not in ("check_fit2d_1sample", "check_fit2d_1feature")
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:the tokens have collapsed")  # in two dimensions LayerNorm leaves two points, or one
def test_checks_in_two_dimensions() -> None:
    results = check_estimator(Forgiving())
    assert {r["check_name"] for r in results if r["status"] == "passed"} >= EXPECTED.keys()


def test_embedding_is_the_unrolled_transformer() -> None:
    Y = tokens(60)
    model = TransformerDR(n_components=16, n_blocks=3).fit(Y)
    steps = [s.X.numpy() for s in unroll(Y, Config(n_components=16, n_blocks=3)) if s.ends_block]
    assert model.trajectory_.shape == (4, 60, 16)
    np.testing.assert_array_equal(model.trajectory_, np.stack(steps))
    np.testing.assert_array_equal(model.embedding_, model.trajectory_[-1])
    np.testing.assert_array_equal(model.fit_transform(Y), model.embedding_)
    assert model.get_feature_names_out()[:2].tolist() == ["transformerdr0", "transformerdr1"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"graph_diffusion": True},
        {"mask_self": False},
        {"n_heads": 4},
        {"activation": "relu"},
        {"projection": "pca"},
        {"eta": 0.8},
    ],
)
def test_transform_of_the_fitted_tokens_is_the_embedding(settings: dict) -> None:
    Y = tokens(80)
    Y[3] = Y[70]  # twins attend to each other, not to themselves
    model = TransformerDR(n_components=16, **settings).fit(Y)
    np.testing.assert_allclose(model.transform(Y), model.embedding_, atol=1e-12)


def test_transform_is_what_one_more_token_would_do() -> None:
    """A new token attends, block by block, to the fitted latents: computed here by hand, in numpy."""
    Y, new = tokens(50), tokens(3, seed=9)
    model = TransformerDR(n_components=8, n_blocks=4, alpha=12.0, eta=0.3).fit(Y)

    def norm(X: np.ndarray) -> np.ndarray:
        X = X - X.mean(axis=1, keepdims=True)
        return X / np.sqrt(X.var(axis=1, keepdims=True) + 1e-10) / np.sqrt(50)

    Z = norm(new @ model.projection_)
    for X in model.trajectory_[:-1]:
        A = np.exp(12.0 * 50 / 8 * Z @ X.T)
        Z = norm(Z + 0.6 * A @ X / A.sum(axis=1, keepdims=True))
        Z = norm(Z - 0.6 * Z)
    before = model.trajectory_.copy()
    np.testing.assert_allclose(model.transform(new), Z, atol=1e-12)
    np.testing.assert_array_equal(model.trajectory_, before)  # the fitted tokens are not disturbed
    np.testing.assert_allclose(model.transform(new[1:2]), Z[1:2], atol=1e-12)  # nor do new tokens see each other


def test_precision_follows_the_data() -> None:
    Y = tokens(20)
    assert TransformerDR().fit_transform(Y).dtype == np.float64
    assert TransformerDR().fit_transform(Y.astype(np.float32)).dtype == np.float32
    assert TransformerDR(precision="float64").fit_transform(Y.astype(np.float32)).dtype == np.float64


def test_random_state() -> None:
    Y = tokens(20)
    fitted = {
        k: TransformerDR(random_state=s).fit_transform(Y)
        for k, s in {"seed": 1, "generator": np.random.RandomState(1), "none": None, "none again": None}.items()
    }
    np.testing.assert_array_equal(fitted["seed"], fitted["generator"])
    assert not np.allclose(fitted["none"], fitted["none again"])


def test_clone_and_pickle() -> None:
    Y = tokens(20)
    model = TransformerDR(n_components=4, activation="relu").fit(Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(Y), model.transform(Y))
    with pytest.raises(NotFittedError):
        clone(model).transform(Y)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eta": 0.5}, "must not be exactly 0.5"),
        ({"eta": 0}, "greater than 0"),
        ({"eta": 1.5}, "at most 1"),
        ({"alpha": -1}, "greater than 0"),
        ({"alpha": float("nan")}, "finite"),
        ({"alpha": "30"}, "finite number"),
        ({"n_components": 1}, "at least 2"),
        ({"n_components": 2.5}, "whole number"),
        ({"n_heads": 3}, "must divide"),
        ({"n_components": 4, "n_heads": 4}, "one dimension a head"),
        ({"activation": "gelu"}, "'none' or 'relu'"),
        ({"projection": "umap"}, "'gaussian' or 'pca'"),
        ({"device": "tpu"}, "device must be"),
        ({"n_blocks": 0}, "at least 1"),
        ({"mask_self": "yes"}, "true or false"),
    ],
)
def test_bad_parameters_are_one_sentence(settings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        TransformerDR(**settings).fit(tokens(10))
    assert str(caught.value).count(".") <= 3
    assert "\n" not in str(caught.value)


def test_no_global_state() -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone(), torch.get_num_threads()
    TransformerDR().fit(tokens(30))
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == before[2]
