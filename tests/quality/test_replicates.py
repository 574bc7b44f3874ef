"""Is it real? Seeds, null data, and what is said of them."""

import numpy as np
import pytest

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.data.dataset import draw
from dr_transformer.data.null import gaussian_like
from dr_transformer.engine.jobs import Cancelled
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.replicates import (
    DATA,
    Replicate,
    Row,
    default_methods,
    null,
    replicate,
    summarise,
    transformer,
    what_varies,
)
from dr_transformer.quality.scores import Reference, quality

SMALL = Config(n_components=16, n_blocks=3, precision="float64")


def first_columns(Y: np.ndarray, random_state: int) -> np.ndarray:
    return Y[:, 20:30] + 0.01 * np.random.RandomState(random_state).normal(size=(len(Y), 10))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def rows_of(rows: list[Row], **wanted: str) -> Row:
    (found,) = [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
    return found


def test_a_replicate_is_one_seeded_measurement(digits: Dataset) -> None:
    """Tokens, method, null data and measure follow from the seed, and from nothing else."""
    assert digits.labels is not None
    found = list(replicate({"first": first_columns}, digits.Y, digits.labels, [5, 6], n_samples=200))
    assert [(r.data, r.seed) for r in found] == [(kind, seed) for seed in (5, 6) for kind in DATA]
    for one in found:
        rows = draw(1797, digits.labels, 200, one.seed)
        Y = null(one.data, digits.Y[rows], one.seed)
        reference = Reference.of(Y, digits.labels[rows], random_state=one.seed)
        assert one.quality == quality(first_columns(Y, one.seed), reference)
        assert one.quality is not None
        assert one.quality.sample == "all 200 tokens"
    assert len({one.quality.figures["recall"] for one in found if one.quality}) == 6


def test_the_tokens_drawn(digits: Dataset) -> None:
    assert digits.labels is not None
    rows = draw(1797, digits.labels, 205, 0)
    assert set(np.bincount(digits.labels[rows])) == {20, 21}
    assert len(np.unique(rows)) == 205
    assert (rows != draw(1797, digits.labels, 205, 1)).any()
    np.testing.assert_array_equal(draw(1797, digits.labels, 1797, 3), np.arange(1797))
    assert len(np.unique(draw(1797, None, 205, 0))) == 205


def test_null_data_share_no_random_numbers_with_the_projection() -> None:
    """`RandomState(seed)` draws the projection: the noise must not be those same numbers."""
    Y = np.random.default_rng(0).normal(size=(200, 20))
    theirs = gaussian_like(Y, np.random.RandomState(3))
    assert abs(np.corrcoef(null("Gaussian noise", Y, 3).ravel(), theirs.ravel())[0, 1]) < 0.1
    assert null("real", Y, 3) is Y
    assert (null("shuffled pixels", Y, 3) != null("shuffled pixels", Y, 4)).any()


def test_mean_and_standard_deviation(digits: Dataset) -> None:
    found = list(replicate({"first": first_columns}, digits.Y, digits.labels, [0, 1, 2], n_samples=200))
    rows = summarise(found)
    assert [(row.data, row.metric) for row in rows] == [(kind, metric) for kind in DATA for metric in METRICS]
    values = [r.quality.figures["nmi"] for r in found if r.data == "real" and r.quality]
    row = rows_of(rows, data="real", metric="nmi")
    assert row.mean == pytest.approx(sum(v or 0 for v in values) / 3)
    assert row.sd == pytest.approx((sum(((v or 0) - row.mean) ** 2 for v in values) / 2) ** 0.5)
    assert (row.sd or 0) > 0
    assert row.k == 3
    assert str(row) == f"{row.mean:.3f} ± {row.sd:.3f}"


def test_one_seed_has_no_standard_deviation(digits: Dataset) -> None:
    rows = summarise(replicate({"first": first_columns}, digits.Y, None, [0], n_samples=200))
    row = rows_of(rows, data="real", metric="recall")
    assert (row.sd, row.k) == (None, 1)
    assert str(row).endswith("(one seed: no s.d.)")
    without_labels = rows_of(rows, data="real", metric="nmi")
    assert (without_labels.mean, without_labels.sd, without_labels.k) == (None, None, 0)
    assert str(without_labels) == "none (the data have no labels)"


def test_what_varies_is_said() -> None:
    sentence = what_varies(10_000, [0, 1, 2])
    assert sentence.startswith(
        "mean ± s.d. over 3 seeds; with the seed vary which 2000 of the 10000 tokens take part, "
    )
    assert "tokens" not in what_varies(1797, [0, 1], n_samples=1797)
    assert what_varies(1797, [0]).startswith("one seed, so no s.d.;")


def test_figures_that_exist_for_some_seeds_are_counted() -> None:
    good = quality(np.eye(30), Reference.of(np.eye(30)))
    bad = quality(np.zeros((30, 2)), Reference.of(np.eye(30)))
    rows = summarise([Replicate("m", "", "real", s, q, "", 1.0) for s, q in enumerate((good, bad, good))])
    row = rows_of(rows, metric="effective_rank")
    assert row == Row("m", "", "real", "effective_rank", pytest.approx(30), pytest.approx(0, abs=1e-9), 2, row.missing)
    assert row.missing == "all tokens lie at one point"


def test_every_block_is_a_part_of_its_method(digits: Dataset) -> None:
    methods = {"transformer": transformer(SMALL, every_block=True), "first": first_columns}
    found = list(replicate(methods, digits.Y, digits.labels, [7], data=["real"], n_samples=150))
    assert [(r.method, r.part) for r in found] == [
        *(("transformer", f"block {b}") for b in range(4)),
        ("first", ""),
    ]
    assert [r.done for r in found] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 4 / 8, 1])
    assert digits.labels is not None
    rows = draw(1797, digits.labels, 150, 7)
    *_, last = unroll(digits.Y[rows], Config.from_dict(SMALL.to_dict() | {"random_state": 7}))
    expected = quality(last.X.numpy(), Reference.of(digits.Y[rows], digits.labels[rows], random_state=7))
    assert found[3].quality == expected
    (only,) = transformer(SMALL)(digits.Y[rows], 7)
    assert only == "block 3"


def test_a_method_that_refuses_the_data_says_why_and_the_others_go_on(digits: Dataset) -> None:
    def refuses(Y: np.ndarray, random_state: int) -> np.ndarray:
        raise InputError("too few tokens.")

    methods = {"refuses": refuses, "first": first_columns}
    found = list(replicate(methods, digits.Y, digits.labels, [0, 1], data=["real"], n_samples=100))
    assert [r.error for r in found] == ["too few tokens.", "", "too few tokens.", ""]
    assert found[-1].done == 1
    row = rows_of(summarise(found), method="refuses", metric="nmi")
    assert str(row) == "none (too few tokens.)"
    assert rows_of(summarise(found), method="first", metric="nmi").k == 2


def test_bad_requests_are_refused_at_once(digits: Dataset) -> None:
    with pytest.raises(InputError, match="unknown data 'noise'; choose of real, shuffled pixels, Gaussian noise"):
        replicate({"first": first_columns}, digits.Y, None, [0], data=["noise"])
    for seeds in ([], [1, 2, 1]):
        with pytest.raises(InputError, match="must be different"):
            replicate({"first": first_columns}, digits.Y, None, seeds)


def test_cancel_inside_a_piece(digits: Dataset) -> None:
    waited = 0

    def check() -> None:
        nonlocal waited
        waited += 1
        if waited == 5:
            raise Cancelled

    methods = {"transformer": transformer(SMALL, every_block=True, check=check)}
    pieces = replicate(methods, digits.Y, digits.labels, [0], n_samples=100, check=check)
    with pytest.raises(Cancelled):
        next(pieces)


def test_mnist_is_real_and_the_null_data_are_not() -> None:
    """Accuracy and NMI stand far above both nulls; trustworthiness alone would not tell."""
    mnist = load("mnist", 3000)
    methods = default_methods(Config(n_components=32))
    found = list(replicate(methods, mnist.Y, mnist.labels, [0], n_samples=700))
    assert [r.error for r in found] == [""] * 9
    rows = summarise(found)

    def figure(method: str, data: str, metric: str) -> float:
        mean = rows_of(rows, method=method, data=data, metric=metric).mean
        assert mean is not None
        return mean

    for method in ("transformer", "PCA", "Laplacian Eigenmaps"):
        assert figure(method, "real", "accuracy") > 0.55
        assert figure(method, "real", "nmi") > 0.3
        assert figure(method, "Gaussian noise", "accuracy") == pytest.approx(0.1, abs=0.09)
        assert figure(method, "Gaussian noise", "nmi") < 0.06
        assert figure(method, "Gaussian noise", "ari") == pytest.approx(0, abs=0.01)
        assert figure(method, "shuffled pixels", "accuracy") < 0.25
        assert figure(method, "shuffled pixels", "nmi") < 0.15
    # The ink of an image outlives the shuffle: PCA sees it, LayerNorm takes it away.
    assert figure("PCA", "shuffled pixels", "nmi") > figure("transformer", "shuffled pixels", "nmi") + 0.03
    assert figure("transformer", "Gaussian noise", "trustworthiness") > 0.7
