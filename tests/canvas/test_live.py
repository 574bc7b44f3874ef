"""Python gives the browser for its own run a nested balanced sample, and the first latents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer import Config, load, unroll
from dr_transformer.canvas.live import LiveTokens, balanced_order, is_live, live_key, live_spec
from dr_transformer.config import ViewConfig
from tests.helpers.blobs import read, unpack


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 100), st.data())
def test_beginnings_take_of_each_class_by_turns(labels: list[int], seed: int, data: st.DataObject) -> None:
    found = np.array(labels)
    order = balanced_order(found, len(found), seed)
    assert sorted(order.tolist()) == list(range(len(found)))
    m = data.draw(st.integers(1, len(found)))
    part = balanced_order(found, m, seed)
    np.testing.assert_array_equal(part, order[:m])
    counts = {label: int((found[part] == label).sum()) for label in set(labels)}
    most = max(counts.values())
    # A class is behind by one at most, unless it has no more to give.
    assert all(most - count <= 1 or count == labels.count(label) for label, count in counts.items())


@pytest.mark.parametrize("projection", ["gaussian", "pca"])
def test_the_latents_are_those_of_block_0(projection: str) -> None:
    dataset, config = load("mnist", 3000), Config(n_components=12, projection=projection)
    job = LiveTokens(dataset, config, "canvas")
    job.owners.add("test")
    job.work()
    assert job.finished
    assert job.n_bytes == len(job.packed) > 0
    header, arrays = unpack(job.packed)
    index = read(header["index"], arrays, "<u4")
    X = read(header["X"], arrays, "<f4").reshape(len(index), 12)
    assert len(index) == 2000
    _, start, *_ = unroll(dataset.Y, config)
    np.testing.assert_allclose(X, start.X.numpy()[index] * 3000**0.5, rtol=0, atol=2e-6)
    assert header["live_key"] == live_key(dataset, config)


def test_the_key_is_of_what_the_first_latents_depend_on() -> None:
    data = load("mnist", 100)
    base = live_key(data, Config())
    assert base == live_key(data, Config(alpha=3, eta=0.1, n_blocks=2, n_heads=4, activation="relu", mask_self=False))
    others = [Config(random_state=1), Config(n_components=16), Config(projection="pca", n_components=64)]
    assert len({base, *(live_key(data, config) for config in others), live_key(load("mnist", 90), Config())}) == 5


def test_what_the_browser_is_told_is_the_model() -> None:
    config = Config(n_components=8, n_heads=2, activation="relu", graph_diffusion=True, mask_self=False, alpha=7)
    spec = live_spec(load("mnist", 400), config, ViewConfig(first_axis=3, second_axis=200))
    assert spec["columns"] == [3, 7]
    assert spec["scale"] == 1 / 20
    assert spec["values"] == {"alpha": 7, "eta": 0.4}
    assert (spec["relu"], spec["graph_diffusion"], spec["mask_self"], spec["n_heads"]) == (True, True, False, 2)
    assert is_live(config, ViewConfig())
    assert not is_live(config, ViewConfig(view="pca"))
    assert not is_live(Config(n_components=300), ViewConfig())


def test_tokens_that_cannot_be_run_are_not_sent_and_nothing_breaks() -> None:
    data = load("mnist", 100)
    data = replace(data, Y=np.zeros_like(data.Y), key="all are blank")
    job = LiveTokens(data, Config(n_components=4), "canvas")
    job.owners.add("test")
    job.work()
    assert job.finished
    assert job.packed == b""
    assert "are blank" in (job.error or "")
