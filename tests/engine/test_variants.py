"""Variants over depth and the two runs laid on each other, against the generators they are made of."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dr_transformer import Config, load, unroll
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.inside import Reparametrisation, VariantRun, both_ways
from dr_transformer.quality.metrics import effective_rank, knn_accuracy
from dr_transformer.theory.variants import Variant, diffusion_eta, unroll_variant
from tests.helpers.plain_theory import objective

CONFIG = Config(n_components=16, n_blocks=3)


@cache
def tokens() -> Dataset:
    return load("digits", 300)


def variant_run(variant: Variant, dataset: Dataset | None = None) -> VariantRun:
    job = VariantRun(dataset or tokens(), CONFIG, variant, owners={"test"})
    job.work()
    assert job.error is None
    return job


@pytest.mark.parametrize("variant", [Variant(), Variant("gradient", "exact", beta=0.1), Variant("diffusion", "none")])
def test_each_block_is_measured(variant: Variant) -> None:
    job = variant_run(variant)
    ends = [s.X for s in unroll_variant(tokens().Y, CONFIG, variant) if s.ends_block]
    labels = tokens().labels
    assert labels is not None
    assert len(job.latents) == len(job.terms) == len(job.ranks) == len(job.accuracies) == 4
    for X, latents, terms, rank, accuracy in zip(ends, job.latents, job.terms, job.ranks, job.accuracies, strict=True):
        assert np.array_equal(X.numpy(), latents)
        np.testing.assert_allclose(terms.at(0.1), objective(X, alpha=30, beta=0.1), rtol=1e-9)
        assert rank == pytest.approx(effective_rank(latents))
        assert accuracy == knn_accuracy(latents, labels)
    assert job.n_bytes == 4 * 300 * 16 * 4


def test_without_labels_there_is_no_accuracy() -> None:
    assert variant_run(Variant(), replace(tokens(), labels=None, class_names=())).accuracies == []


def test_a_users_sorted_rows_are_scored_on_all_classes() -> None:
    labels = tokens().labels
    assert labels is not None
    order = np.argsort(labels, kind="stable")
    users = replace(tokens(), name="mine.npz", Y=tokens().Y[order], labels=labels[order])
    assert min(variant_run(Variant(), users).accuracies) > 0.5
    assert max(variant_run(Variant(), replace(users, name="digits")).accuracies) < 0.5


def both(eta: float, other: float, **settings: str) -> Reparametrisation:
    job = Reparametrisation(tokens(), replace(CONFIG, eta=eta, **settings), other, owners={"test"})  # type: ignore[arg-type]
    job.work()
    assert job.error is None
    return job


@pytest.mark.parametrize("eta", [0.1, 0.4, 0.8])  # above ½ the feed-forward step mirrors one of the two
def test_at_its_eta_graph_diffusion_is_standard_attention(eta: float) -> None:
    job = both(eta, diffusion_eta(eta))
    assert set(job.apart) == {"float64", "float32"}
    assert all(len(apart) == 4 for apart in job.apart.values())
    assert max(job.apart["float64"]) < 1e-4
    assert max(job.apart["float32"]) < 2e-4
    assert max(both(eta, 1.05 * diffusion_eta(eta)).apart["float64"]) > 1e-3
    assert max(both(eta, min(eta, 0.49)).apart["float64"]) > (0.01 if eta > 0.1 else 0.005)


def test_with_relu_it_is_not() -> None:
    assert max(both(0.4, diffusion_eta(0.4), activation="relu").apart["float64"]) > 0.01


def test_the_two_runs_are_those_of_the_model() -> None:
    eta = diffusion_eta(0.4)
    job = both(0.4, eta)
    config = replace(CONFIG, precision="float64")
    *_, standard = unroll(tokens().Y, config)
    *_, diffusion = unroll(tokens().Y, replace(config, eta=eta, graph_diffusion=True))
    assert job.standard is not None
    assert job.diffusion is not None
    assert np.array_equal(job.standard, standard.X.numpy())
    assert np.array_equal(job.diffusion, diffusion.X.numpy())
    pairs = both_ways(tokens().Y, config, eta)
    assert np.array_equal(pairs[0][0], pairs[0][1])  # both begin with the same latents
    assert job.n_bytes == 2 * 300 * 16 * 8
