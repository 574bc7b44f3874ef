"""What the section "Sub-steps and objective" says is made of the figures, and says the opposite of opposite ones."""

from dataclasses import replace

import pytest

from dr_transformer import Config
from dr_transformer.engine.inside import Cosines, LatentFigures
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.theory.objective import Objective
from dr_transformer.ui.inside.objective import changes_table, gradient_sentence, sentences
from dr_transformer.ui.inside.substeps import explained, figures_table


def objectives(*terms: tuple[float, float]) -> list[Objective]:
    return [Objective(data, regulariser, 1.0, 2.0) for data, regulariser in terms]


def test_kl_that_rises_is_said_to_rise() -> None:
    data, regulariser, kl = sentences(objectives((26.4, -198), (10, -300), (2.8, -482.4)))
    assert "falls at every block, from 26.4 to 2.8" in data
    assert "falls at every block, from −198 to −482" in regulariser
    assert "lose directions" in regulariser
    assert "rises at every block, from 224 to 485: −23.6 from the first term, +284 from the second" in kl
    assert "do not descend" in kl


def test_kl_that_falls_is_said_to_fall_and_blocks_against_the_trend_are_named() -> None:
    data, regulariser, kl = sentences(objectives((20, 1), (10, 5), (11, 9), (8, 20)))
    assert "falls at 2 of 3 blocks (not at 2), from 20 to 8" in data
    assert "rises at every block, from 1 to 20" in regulariser
    assert "lose directions" not in regulariser
    assert "falls at every block, from 19 to −12" in kl
    assert "descend" not in kl


def test_what_does_not_move_is_said_to_stay() -> None:
    data, _, kl = sentences(objectives((2, 1), (2, 1.5), (2, 1)))
    assert "stays at 2." in data
    assert "from the second" in kl
    assert "descend" not in kl


def test_one_block() -> None:
    data, _, _ = sentences(objectives((2, 1), (1, 1)))
    assert "falls in the one block, from 2 to 1" in data


def test_changes_are_summed_by_sub_step() -> None:
    places = [(0, "layer_norm_0"), *((block, name) for block in (1, 2) for name in SUB_STEPS)]
    data = [10, 9, 8, 4, 8, 7, 6.5, 3, 6.5]
    lines = changes_table(places, objectives(*((value, -value) for value in data))).split("\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells[2:]] == [
        "Attention", "LayerNorm after attention", "Feed-forward", "LayerNorm after feed-forward", "together",
    ]  # fmt: skip
    assert [row[1] for row in cells[2:]] == ["−2", "−1.5", "−7.5", "+7.5", "−3.5"]
    assert cells[2][2:] == ["+2", "−4"]


def test_the_gradient_s_sentence_has_the_figures() -> None:
    said = gradient_sentence([Cosines(0.796, 0.94, 0.864), Cosines(0.78, 0.96, 0.841), Cosines(0.726, 0.967, 0.833)])
    assert "0.80 at block 0 and 0.73 at block 2" in said
    assert "it is 0.94 to 0.97" in said
    assert "0.83 to 0.86 times" in said
    assert "block 0. Of what" in gradient_sentence([Cosines(0.8, 0.9, 0.9)])


@pytest.mark.parametrize(
    ("name", "config", "undone", "formula", "text"),
    [
        ("attention", Config(), None, r"X + 2\eta\,A X", "missing $-X$"),
        ("attention", Config(graph_diffusion=True), None, r"(A - I)", "A step down"),
        ("layer_norm_1", Config(), None, r"\mathrm{LN}", "on neither term"),
        ("feed_forward", Config(), None, r"(1 - 2\eta)", "every latent by 0.2, so it *lowers*"),
        ("feed_forward", Config(eta=1.0), None, r"(1 - 2\eta)", "every latent by -1."),
        ("feed_forward", Config(activation="relu"), None, "relu", "become 0.2 of"),
        ("layer_norm_2", Config(), 3e-5, r"\mathrm{LN}", "those before it to 3e-05"),
        ("layer_norm_2", Config(), None, r"\mathrm{LN}", "those before it to …"),
        ("layer_norm_2", Config(eta=0.8), 3e-5, r"\mathrm{LN}", "mirrored, the latents are those before it to 3e-05"),
        ("layer_norm_2", Config(activation="relu"), 0.5, r"\mathrm{LN}", "differ from those"),
    ],
)
def test_each_sub_step_is_explained_for_its_settings(
    name: str, config: Config, undone: float | None, formula: str, text: str
) -> None:
    said = explained(name, config, undone)
    assert formula in said.formula
    assert text in said.text
    masked = explained("attention", replace(config, mask_self=False), None).formula
    assert "A_{ii}" not in masked


def test_figures_not_known_yet_are_dots_and_cosines_have_a_row_where_there_is_one() -> None:
    figures = LatentFigures((0.1, 0.2, 0.3), 0.05, 4e-10, 2.341)
    known = figures_table(figures, None, (0.8, None), 0.1131).split("\n")
    assert known[2] == "| row norm, least (LayerNorm: 0.1131) | 0.1000 | … |"
    assert known[7] == "| effective rank | 2.34 | … |"
    assert known[8].endswith("| 0.800 | – |")
    assert len(figures_table(figures, figures, (None, None), 0.1).split("\n")) == 8
