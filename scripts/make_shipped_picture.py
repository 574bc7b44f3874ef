"""Write assets/paper_picture.npz, the picture that the app shows while the paper's run is computed for the first time.

It is the run of `Config()` on the 10 000 bundled digits: block 0 … 8 and the sub-steps between them, latent axes 0 and
1. A test holds the file against a run (`tests/canvas/test_shipped.py`); make it again whenever that fails for a reason.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dr_transformer import load
from dr_transformer.canvas.picture import Drawing, picture
from dr_transformer.canvas.shipped import SHIPPED, write_shipped
from dr_transformer.config import Config, ViewConfig
from dr_transformer.engine.run import Run


def main() -> None:
    """Compute the run and write the file."""
    run = Run(load("mnist"), Config(), sub_steps=True)
    run.owners.add("script")
    run.work()
    if run.error is not None:
        sys.exit(run.error)
    drawing = Drawing(run, ViewConfig())
    drawing.grow()
    shown = picture(drawing, float(run.config.n_blocks))
    assert shown is not None
    write_shipped(SHIPPED, run.dataset, shown.panels)
    print(f"wrote {SHIPPED.name}, {SHIPPED.stat().st_size / 1e6:.1f} MB, computed on {run.device} in {run.precision}")


if __name__ == "__main__":
    main()
