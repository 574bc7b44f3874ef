"""How a saved picture looks, declared once: the terminal's flags and the app's widgets read it."""

from __future__ import annotations

from dataclasses import dataclass

from dr_transformer.errors import InputError
from dr_transformer.palette import PETROFF10, TAB10
from dr_transformer.parameters import Declared, declare

TEMPLATES = {
    "figure1": "figure 1 of the paper: projection and last block",
    "strip": "a strip over depth: every block",
    "methods": "transformer, Laplacian Eigenmaps, UMAP, PCA",
    "metrics": "quality over depth",
    "attention": "the attention matrix, ordered by class",
}
PALETTES = {"tab10": TAB10, "petroff10": PETROFF10}
MAX_PIXELS = 80_000_000  # of a PNG; more, and Pillow takes it for a decompression bomb


@dataclass(frozen=True)
class FigureConfig(Declared):
    """A figure for paper. Raises `InputError`, also for one of more than `MAX_PIXELS`."""

    template: str = declare(
        "figure1",
        "Template",
        f"What is drawn: {'; '.join(f'{name}: {what}' for name, what in TEMPLATES.items())}.",
        "figure",
        choices=tuple(TEMPLATES),
    )
    block: int | None = declare(
        None,
        "Block",
        "Whose latents the templates methods and attention show; none is the last block.",
        "figure",
        minimum=0,
        maximum=1024,
    )
    width: float | None = declare(
        None, "Width in inches", "None is the template's own: 8 for figure1.", "figure", minimum=1, maximum=60
    )
    height: float | None = declare(
        None, "Height in inches", "None is the template's own: 4 for figure1.", "figure", minimum=1, maximum=60
    )
    dpi: int = declare(
        300,
        "Dots per inch",
        "Resolution of a PNG, and of what PDF and SVG hold as an image.",
        "figure",
        minimum=30,
        maximum=1200,
    )
    palette: str = declare(
        "tab10",
        "Palette",
        "Colours of the classes: tab10, the paper's, or petroff10, the app's, safe for colour-blind readers.",
        "figure",
        choices=tuple(PALETTES),
    )
    point_size: float = declare(
        1.0,
        "Point size",
        "Diameter of a point, in points of 1/72 inch (paper: 1).",
        "figure",
        minimum=0,
        maximum=50,
        exclusive_minimum=True,
    )
    titles: bool | None = declare(
        None,
        "Titles",
        "Panel titles and a legend of the classes; unless said, figure1 has none, as in the paper, and all others do.",
        "figure",
    )
    class_names: bool | None = declare(
        None,
        "Class names",
        "On each class that has gathered, at its median, as on the canvas; unless said, where there are titles.",
        "figure",
    )
    # Measured: Chromium opens an SVG of 20 000 points (2.8 MB) in 1.2 s and redraws it in 0.3 s; one of 50 000 (7 MB)
    # in 6 s and 1.1 s. The paper's figure has 20 000.
    max_vector_points: int = declare(
        20_000,
        "Vector points up to",
        "In PDF and SVG a figure of more points, in all panels, holds them as an image; axes and text stay vectors.",
        "figure",
        minimum=0,
        maximum=10_000_000,
    )

    @property
    def titled(self) -> bool:
        """Tell whether titles and legend are drawn."""
        return self.template != "figure1" if self.titles is None else self.titles

    @property
    def named(self) -> bool:
        """Tell whether names stand on the classes that have gathered."""
        return self.titled if self.class_names is None else self.class_names

    def size(self, own: tuple[float, float]) -> tuple[float, float]:
        """Width and height in inches, where `own` is the template's; `InputError` if they give too many pixels."""
        width, height = own[0] if self.width is None else self.width, own[1] if self.height is None else self.height
        if width * height * self.dpi**2 > MAX_PIXELS:
            raise InputError(
                f"{width:g} × {height:g} inches at {self.dpi} dpi are {width * height * self.dpi**2 / 1e6:.0f} million "
                f"pixels, more than {MAX_PIXELS // 10**6} million; choose a smaller size or fewer dpi."
            )
        return width, height


@dataclass(frozen=True)
class AnimationConfig(Declared):
    """The collapse as a film."""

    frame_width: int = declare(
        640, "Width in pixels", "Even, as video needs it.", "animation", minimum=160, maximum=1920, step=2
    )
    frame_height: int = declare(
        640, "Height in pixels", "Even, as video needs it.", "animation", minimum=160, maximum=1920, step=2
    )
    fps: int = declare(
        20,
        "Frames a second",
        "A GIF counts in hundredths of a second, so 10, 20, 25 and 50 are exact there.",
        "animation",
        minimum=1,
        maximum=60,
    )
    seconds_per_block: float = declare(
        1.0,
        "Seconds for a block",
        "How long each block takes.",
        "animation",
        minimum=0,
        maximum=60,
        exclusive_minimum=True,
    )
    hold: float = declare(
        1.0, "Seconds at rest", "How long the first and the last picture stand.", "animation", minimum=0, maximum=60
    )
    palette: str = declare(
        "petroff10",
        "Palette",
        "Colours of the classes: petroff10, the app's, or tab10, the paper's.",
        "animation",
        choices=tuple(PALETTES),
    )
    point_pixels: float | None = declare(
        None,
        "Point size in pixels",
        "Diameter of a point; none is the canvas's: 7 for a few hundred tokens, 3.5 for 10 000.",
        "animation",
        minimum=0,
        maximum=50,
        exclusive_minimum=True,
    )
    titles: bool = declare(True, "Title and depth", "Write what is shown, and at which depth.", "animation")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frame_width", "frame_height"):
            if getattr(self, name) % 2:
                raise InputError(f"{name} must be even, as video needs it, but is {getattr(self, name)}.")
