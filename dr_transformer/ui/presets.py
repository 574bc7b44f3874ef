"""One-click settings that each show one thing."""

from __future__ import annotations

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """What differs from the paper's values, and what to look for."""

    values: dict[str, Any]
    help: str
    everything: bool = False  # data, seed and view, too


PRESETS = {
    "Paper": Preset(
        {}, "The values of the paper's figure 1: q = 128, L = 8, α = 30, η = 0.4, seed 42; all else, too.", True
    ),
    "Shallow": Preset({"n_blocks": 2}, "Two blocks: clusters have only begun to form."),
    "Too deep": Preset({"n_blocks": 32}, "32 blocks: neighbours merge until hardly any structure is left."),
    "η near ½": Preset({"eta": 0.49}, "The largest steps below ½; at exactly ½ the feed-forward step is 0/0."),
    "Tiny α": Preset({"alpha": 1.0}, "Attention all but uniform: every token moves towards the same mean."),
    "Huge α": Preset({"alpha": 300.0}, "Attention all but one-hot: each token follows its nearest neighbour."),
}
