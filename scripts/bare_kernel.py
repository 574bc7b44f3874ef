"""Print the seconds that the model's blocks take alone, as JSON: the least that the explorer can take for a change.

    python scripts/bare_kernel.py [--n-samples 10000] [--repeats 5]

The paper's settings, in this process alone, which does nothing else; the first run is not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dr_transformer import Config, load, unroll


def seconds(n_samples: int, repeats: int) -> list[float]:
    """Of each of so many runs of all blocks, projection included."""
    data, config = load("mnist", n_samples), Config()
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        for _step in unroll(data.Y, config):
            pass
        found.append(time.perf_counter() - began)
    return found[1:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-samples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(seconds(options.n_samples, options.repeats)))
