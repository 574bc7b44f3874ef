"""The collapse as a film, interpolated as on the canvas: GIF (Pillow) or MP4 (ffmpeg, by imageio-ffmpeg)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.errors import InputError
from dr_transformer.export.figure import DRAWING
from dr_transformer.export.figure_config import PALETTES, AnimationConfig
from dr_transformer.model.planes import in_view
from dr_transformer.palette import GREY, class_colours
from dr_transformer.types import Floats

FORMATS = (".gif", ".mp4")
MAX_FRAMES = 20_000
_DPI = 100
_MARGIN = 0.92  # share of the plot that the points' extent fills, as on the canvas
_HEAD, _FOOT = 34, 26  # pixels of the title and of the depth
_SHADES = 16  # of grey, for letters

Pixels = npt.NDArray[np.uint8]
Report = Callable[[int, int], None]  # is told how many of all frames are drawn, and may raise to stop


class Frame(Protocol):
    """The latents X (n, q) at a depth, as `run.Frame`."""

    @property
    def depth(self) -> float: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def X(self) -> Floats: ...  # noqa: N802, D102


@dataclass(frozen=True, eq=False)
class Film:
    """What is shown: `points` (F, n, 2) at increasing `depths` (F,), between which the film goes in straight lines.

    `at` (frames,) are the depths of the film's moving frames. `extents` (F, 4) are what the picture fits at each depth:
    least and largest x, and y.
    """

    points: Floats
    depths: Floats
    names: Sequence[str]
    at: Floats
    extents: Floats
    labels: npt.NDArray[np.integer]
    n_blocks: int
    hold: int  # frames that the first and the last picture stand, beyond their own
    class_names: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Count the frames of the whole film."""
        return len(self.at) + 2 * self.hold

    def mix(self, depth: float) -> tuple[int, int, float]:
        """Return which two entries to mix at `depth`, and the share of the second."""
        k = int(np.clip(np.searchsorted(self.depths, depth, side="right") - 1, 0, len(self.depths) - 1))
        if k == len(self.depths) - 1:
            return k, k, 0.0
        return k, k + 1, float((depth - self.depths[k]) / (self.depths[k + 1] - self.depths[k]))

    def positions(self, depth: float, width: float, height: float) -> Floats:
        """Return where all points are at `depth` on a plot of this size in pixels, (n, 2), y upwards: one
        scale for both axes.
        """
        k, after, t = self.mix(depth)
        points = self.points[k] * (1 - t) + self.points[after] * t
        x0, x1, y0, y1 = self.extents[k] * (1 - t) + self.extents[after] * t
        scale = _MARGIN * min(width / (x1 - x0) if x1 > x0 else np.inf, height / (y1 - y0) if y1 > y0 else np.inf)
        scale = scale if np.isfinite(scale) else 1.0
        return np.array((width / 2, height / 2)) + (points - ((x0 + x1) / 2, (y0 + y1) / 2)) * scale

    def title(self, depth: float) -> str:
        """Return what the picture shows at this depth."""
        k, after, t = self.mix(depth)
        return self.names[k] if t < 1e-9 else f"{self.names[k]} → {self.names[after]}"


def check_format(path: Path) -> None:
    """Raise `InputError` unless the path's ending names a format that `save` writes."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot animate to {path.name!r}: the name must end in {' or '.join(FORMATS)}.")


def frame_counts(config: Config, options: AnimationConfig) -> tuple[int, int]:
    """Return how many frames move, both ends among them, and how many more each end stands.

    `InputError` for too many.
    """
    moving = max(1, round(config.n_blocks * options.seconds_per_block * options.fps)) + 1
    hold = round(options.hold * options.fps)
    if moving + 2 * hold > MAX_FRAMES:
        raise InputError(
            f"a film of {moving + 2 * hold} frames is too long; use fewer a second, or fewer seconds for a block."
        )
    return moving, hold


def film(frames: Sequence[Frame], dataset: Dataset, config: Config, view: ViewConfig, options: AnimationConfig) -> Film:
    """The film of a run's frames (`Trajectory.frames`), in the plane and scale of the view. Raises `InputError`."""
    depths = np.array([frame.depth for frame in frames])
    fixed = int(np.flatnonzero(depths <= view.view_block)[-1])
    points = in_view([frame.X for frame in frames], view, fixed)
    moving, hold = frame_counts(config, options)
    extents = np.stack([points.min(axis=1), points.max(axis=1)], axis=2).reshape(len(points), 4)
    if view.scale == "final":
        extents[:] = extents[-1]
    labels = np.zeros(dataset.n_samples, dtype=int) if dataset.labels is None else dataset.labels
    at = np.linspace(0, config.n_blocks, moving)
    return Film(
        points,
        depths,
        [frame.name for frame in frames],
        at,
        extents,
        labels,
        config.n_blocks,
        hold,
        dataset.class_names,
    )


def save(
    target: Path,
    suffix: str,
    shown: Film,
    options: AnimationConfig,
    settings: Mapping[str, Any],
    *,
    report: Report | None = None,
) -> None:
    """Write the film to `target` as `suffix` says, ".gif" or ".mp4", with `settings` as its comment.

    `report` is told the frames drawn and their number; what it raises stops the work. A GIF has each picture once and
    for as long as it stands; an MP4 repeats it. The same settings give the same bytes.
    """
    text = json.dumps(settings, separators=(",", ":"))
    write = _save_gif if suffix.lower() == ".gif" else _save_mp4
    write(target, shown, options, text, report or (lambda _done, _total: None))


def point_pixels(options: AnimationConfig, n: int) -> float:
    """Diameter of a point: as chosen, or the canvas's for n tokens."""
    if options.point_pixels is not None:
        return options.point_pixels
    return float(np.clip(7 - 3.5 * np.log10(max(n, 1) / 500) / np.log10(20), 2.5, 7))


def pictures(shown: Film, options: AnimationConfig, *, smooth: bool) -> Iterator[Pixels]:
    """The moving frames one after the other, (height, width, 3); `smooth` says whether points' edges are blended."""
    width, height = options.frame_width, options.frame_height
    with DRAWING, mpl.rc_context():
        mpl.rcdefaults()
        canvas, dots, title, mark = _stage(shown, options, smooth)
    head, foot = (_HEAD, _FOOT) if options.titles else (0, 0)
    for depth in shown.at:
        dots.set_offsets(shown.positions(depth, width, height - head - foot) + np.array([0, foot]))
        if title is not None:
            title.set_text(f"Latents after {shown.title(depth)}")
            mark.set_data([12, 12 + (width - 24) * depth / shown.n_blocks], [12, 12])
        with DRAWING, mpl.rc_context():  # a frame at a time: others may draw between two
            mpl.rcdefaults()
            canvas.draw()  # type: ignore[no-untyped-call]
            rgba = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        yield np.asarray(rgba)[..., :3].copy()


def _stage(shown: Film, options: AnimationConfig, smooth: bool) -> tuple[FigureCanvasAgg, Any, Any, Any]:
    """Canvas, points, title and the line that shows the depth, in pixels from the lower left."""
    width, height = options.frame_width, options.frame_height
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    palette = np.array(class_colours(shown.class_names or ("",), PALETTES[options.palette]))
    size = point_pixels(options, len(shown.labels)) * 72 / _DPI
    start = np.zeros((len(shown.labels), 2))
    colours = palette[shown.labels]
    dots = axes.scatter(start[:, 0], start[:, 1], c=colours, s=size**2, linewidths=0, antialiased=smooth)
    if not options.titles:
        return canvas, dots, None, None
    title = axes.text(12, height - 22, "", fontsize=10, color="black")
    axes.plot([12, width - 12], [12, 12], color="#d9d9d9", linewidth=2, solid_capstyle="butt", antialiased=False)
    (mark,) = axes.plot([], [], color="#595959", linewidth=2, solid_capstyle="butt", antialiased=False)
    return canvas, dots, title, mark


def _save_gif(target: Path, shown: Film, options: AnimationConfig, text: str, report: Report) -> None:
    """One palette for all frames, no blending of points and no dithering: what does not move costs nothing."""
    colours = _gif_colours(options)
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    total = len(shown.at)
    stills = []
    for number, picture in enumerate(pictures(shown, options, smooth=False), start=1):
        stills.append(Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE))
        report(number, total)
    tick = round(1000 / options.fps)
    durations = [tick] * total
    for end in (0, -1):
        durations[end] += shown.hold * tick
    stills[0].save(
        target,
        format="GIF",
        save_all=True,
        append_images=stills[1:],
        duration=durations,
        loop=0,
        palette=bytes(colours),  # of the whole film
        transparency=len(colours) // 3 - 1,
        optimize=True,  # what is as in the frame before is transparent
        comment=text.encode(),
    )


def _gif_colours(options: AnimationConfig) -> list[int]:
    """White to black in `_SHADES`, the class colours, and one for what is transparent, which no picture has."""
    greys = [(level,) * 3 for level in np.linspace(255, 0, _SHADES).round().astype(int).tolist()]
    classes = [tuple(bytes.fromhex(colour[1:])) for colour in (*PALETTES[options.palette], GREY)]
    return [value for colour in [*greys, *classes, (1, 2, 3)] for value in colour]


def _save_mp4(target: Path, shown: Film, options: AnimationConfig, text: str, report: Report) -> None:
    """H.264 in 4:2:0, which every browser and slide program plays."""
    import imageio_ffmpeg

    made = imageio_ffmpeg.write_frames(
        str(target),
        (options.frame_width, options.frame_height),
        fps=options.fps,
        codec="libx264",
        pix_fmt_in="rgb24",
        pix_fmt_out="yuv420p",
        macro_block_size=2,
        # One thread and no marks of the encoder: the same settings, the same bytes.
        output_params=[
            "-f", "mp4", "-threads", "1", "-preset", "medium", "-crf", "20", "-movflags", "+faststart",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-metadata", f"comment={text}",
        ],
    )  # fmt: skip
    total, sent = len(shown.at), 0
    not_whole = "the film cannot be written: the disk may be full; make room for it, or write elsewhere."
    try:
        with closing(cast("Any", made)) as encoder:
            encoder.send(None)
            for number, picture in enumerate(pictures(shown, options, smooth=True), start=1):
                for _ in range(1 + shown.hold * (number in (1, total))):
                    encoder.send(np.ascontiguousarray(picture))
                    sent += 1
                report(number, total)
        written, _ = imageio_ffmpeg.count_frames_and_secs(str(target))
    except (OSError, RuntimeError):
        raise InputError(not_whole) from None
    if written != sent:  # the library does not look at the status of ffmpeg
        raise InputError(not_whole)
