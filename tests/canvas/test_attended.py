"""What tokens attend to, as the canvas and saved pages are told: the rows of the attention matrix."""

import numpy as np
import torch

from dr_transformer import Config, load, unroll
from dr_transformer.canvas.attended import N_ATTENDED, attended, attended_table
from dr_transformer.engine.run import Run
from dr_transformer.model.attention import attention_rows


def test_the_table_of_attention_is_attention() -> None:
    config = Config(n_components=16, n_blocks=2, n_heads=2)
    latents = [step.X for step in unroll(load("mnist", 200).Y, config) if step.ends_block]
    shares: list[float] = []
    table = attended_table([X.numpy() for X in latents], config, 4, shares.append)
    assert table.indices.shape == table.weights.shape == (3, 200, 4)
    for block, X in enumerate(latents):
        A = attention_rows(X, torch.arange(200), alpha=30, n_heads=2).numpy()
        np.testing.assert_allclose(table.weights[block], -np.sort(-A, axis=1)[:, :4], rtol=1e-5)
        np.testing.assert_allclose(np.take_along_axis(A, table.indices[block], 1), table.weights[block], rtol=1e-5)
    assert shares[0] == 0
    assert sorted(shares) == shares
    assert shares[-1] < 1


def test_one_tokens_attended_are_its_row_of_the_table() -> None:
    run = Run(load("mnist", 200), Config(n_components=16, n_blocks=2, n_heads=2))
    assert attended(run, 7) is None  # nothing is computed yet
    run.owners.add("test")
    run.work()
    table = attended_table(run.full.latents, run.config, N_ATTENDED)
    found = attended(run, 7)
    assert found is not None
    assert (found.index, found.row_depths) == (7, (0.0, 1.0, 2.0))
    np.testing.assert_array_equal(found.indices, table.indices[:, 7])
    np.testing.assert_allclose(found.weights, table.weights[:, 7], rtol=1e-5)
    assert attended(run, None) is attended(run, 200) is None
