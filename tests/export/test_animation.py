"""The films, opened by Pillow and PyAV: frames, sizes, times, and where the points are."""

import hashlib
import io
import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.config import ViewConfig
from dr_transformer.engine.run import Frame, Trajectory
from dr_transformer.export.animation import MAX_FRAMES, Film, film, frame_counts, save
from dr_transformer.export.figure_config import AnimationConfig
from dr_transformer.export.files import settings, whole_file
from dr_transformer.export.metadata import read_settings
from dr_transformer.palette import PETROFF10
from tests.helpers.plain_views import pca_view

CONFIG = Config(n_components=16, n_blocks=2, alpha=12.5)
OPTIONS = AnimationConfig(
    frame_width=320, frame_height=240, fps=10, seconds_per_block=0.5, hold=0.3, point_pixels=8, titles=False
)
DATA = load("mnist", 60)
WHITE = [255, 255, 255]


def trajectory(sub_steps: bool = True) -> Trajectory:
    found = Trajectory(sub_steps)
    for step in unroll(DATA.Y, CONFIG):
        found.take(step)
    return found


def shown(options: AnimationConfig = OPTIONS, view: ViewConfig | None = None, sub_steps: bool = True) -> Film:
    return film(trajectory(sub_steps).frames(CONFIG), DATA, CONFIG, view or ViewConfig(), options)


def expected_pixels(frame: np.ndarray, options: AnimationConfig = OPTIONS) -> np.ndarray:
    """Where the plane (n, 2) of one frame stands on the picture: 92 % of what fits, about the middle, y down."""
    low, high = frame.min(axis=0), frame.max(axis=0)
    scale = 0.92 * min(options.frame_width / (high - low)[0], options.frame_height / (high - low)[1])
    x, y = ((frame - (low + high) / 2) * scale).T
    return np.column_stack([options.frame_width / 2 + x, options.frame_height / 2 - y])


def assert_points(picture: np.ndarray, frame: np.ndarray, tolerance: int) -> None:
    """Every token that no other covers has its class's colour at its centre, and nothing else is coloured."""
    places = expected_pixels(frame)
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 99 * np.eye(len(places))
    alone = np.flatnonzero(apart.min(axis=1) > 9)
    assert len(alone) > 8
    assert DATA.labels is not None
    for token in alone:
        x, y = places[token].astype(int)
        colour = list(bytes.fromhex(PETROFF10[DATA.labels[token]][1:]))
        assert np.abs(picture[y, x].astype(int) - colour).max() <= tolerance, token
    ys, xs = np.nonzero((np.abs(picture.astype(int) - WHITE) > 2 * tolerance + 4).any(axis=2))
    far = np.linalg.norm(np.column_stack([xs, ys])[:, None] + 0.5 - places, axis=2).min(axis=1)
    assert far.max() < 4 + 2.5


def test_a_gif_shows_the_latents_from_first_to_last(tmp_path: Path) -> None:
    target = tmp_path / "film"
    reports: list[tuple[int, int]] = []
    save(target, ".gif", shown(), OPTIONS, {"alpha": 12.5}, report=lambda *done: reports.append(done))
    planes = [frame.X[:, :2] for frame in trajectory().frames(CONFIG)]
    with Image.open(target) as image:
        assert image.size == (320, 240)
        # Half a second a block, ten frames a second, and the one to begin with. After its LayerNorm a block moves
        # nothing any more, and pictures that are equal are one, for longer.
        assert 7 <= image.n_frames <= 11
        assert image.info["loop"] == 0
        assert json.loads(image.info["comment"]) == {"alpha": 12.5}
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
            picture = np.asarray(image.convert("RGB"))
            if number in (0, image.n_frames - 1):
                assert_points(picture, planes[0 if number == 0 else -1], tolerance=0)
        assert sum(durations) == 1700
        assert durations[0] == 400
        assert durations[-1] >= 400
    assert reports == [(i, 11) for i in range(1, 12)]


def test_a_gif_has_one_palette(tmp_path: Path) -> None:
    target = tmp_path / "film.gif"
    save(target, ".gif", shown(), OPTIONS, {})
    content = target.read_bytes()
    assert content[10] & 0x80  # a palette of the whole film
    with Image.open(io.BytesIO(content)) as image:
        found = {colour for _, colour in image.convert("RGB").getcolors()}
        classes = {tuple(bytes.fromhex(colour[1:])) for colour in PETROFF10}
        assert found == classes | {(255, 255, 255)}
    assert local_palettes(content) == 0


def local_palettes(content: bytes) -> int:
    """How many of a GIF's images bring a palette of their own, by the structure of the format."""
    at, count = 13 + 3 * 2 ** ((content[10] & 7) + 1), 0

    def after_blocks(at: int) -> int:
        while content[at]:
            at += content[at] + 1
        return at + 1

    while content[at] != 0x3B:
        if content[at] == 0x21:
            at = after_blocks(at + 2)
        else:
            assert content[at] == 0x2C
            flags = content[at + 9]
            count += bool(flags & 0x80)
            at = after_blocks(at + 11 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0))
    return count


def test_an_mp4_shows_the_latents_from_first_to_last(tmp_path: Path) -> None:
    target = tmp_path / "film"
    save(target, ".mp4", shown(), OPTIONS, {"alpha": 12.5})
    content = target.read_bytes()
    meta = iio.immeta(content, plugin="pyav", extension=".mp4")
    assert meta["codec"] == "h264"
    assert meta["video_format"] == "yuv420p"
    assert (meta["fps"], meta["duration"]) == (10.0, pytest.approx(1.7))
    pictures = iio.imread(content, plugin="pyav", extension=".mp4")
    assert pictures.shape == (11 + 2 * 3, 240, 320, 3)
    planes = [frame.X[:, :2] for frame in trajectory().frames(CONFIG)]
    assert_points(pictures[0], planes[0], tolerance=40)
    assert_points(pictures[-1], planes[-1], tolerance=40)
    assert np.abs(pictures[0].astype(int) - pictures[3]).mean() < 1  # they stand
    assert json.dumps({"alpha": 12.5}, separators=(",", ":")).encode() in content


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_the_same_settings_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "two"):
        save(tmp_path / name, suffix, shown(), OPTIONS, settings(CONFIG, DATA))
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_between_two_frames_points_go_straight_and_the_view_with_them() -> None:
    made = shown()
    frames = trajectory().frames(CONFIG)
    np.testing.assert_array_equal(made.depths, [0, 0.5, 0.75, 0.875, 1, 1.5, 1.75, 1.875, 2])
    assert made.at.tolist() == pytest.approx(np.linspace(0, 2, 11).tolist())
    assert (made.n_frames, made.hold) == (17, 3)
    depth = 1.6  # two fifths of the way from the attention of block 2 to its LayerNorm
    k, after, t = made.mix(depth)
    assert (k, after) == (5, 6)
    assert t == pytest.approx(0.4)
    plane = 0.6 * frames[5].X[:, :2] + 0.4 * frames[6].X[:, :2]
    ends = np.array([[X.X[:, :2].min(axis=0), X.X[:, :2].max(axis=0)] for X in frames[5:7]])
    low, high = 0.6 * ends[0] + 0.4 * ends[1]
    scale = 0.92 * min(320 / (high - low)[0], 240 / (high - low)[1])
    np.testing.assert_allclose(
        made.positions(depth, 320, 240), (plane - (low + high) / 2) * scale + (160, 120), atol=1e-3
    )
    assert made.title(1.6) == "attention of block 2 → LayerNorm of block 2"
    assert made.title(2.0) == "block 2"


def test_view_and_scale_are_those_of_the_explorer() -> None:
    made = shown(view=ViewConfig(view="pca", scale="final"), sub_steps=False)
    latents = [frame.X for frame in trajectory(sub_steps=False).frames(CONFIG)]
    np.testing.assert_array_equal(made.points, pca_view(latents))
    assert made.names == ["block 0", "block 1", "block 2"]
    np.testing.assert_array_equal(made.extents[0], made.extents[-1])
    low, high = made.points[-1].min(axis=0), made.points[-1].max(axis=0)
    np.testing.assert_array_equal(made.extents[0], [low[0], high[0], low[1], high[1]])


def test_a_cloud_that_is_one_point_is_in_the_middle() -> None:
    frame = Frame(0.0, "block 0", np.ones((60, 4)))
    made = film([frame], DATA, CONFIG, ViewConfig(), OPTIONS)
    np.testing.assert_array_equal(made.positions(0, 320, 240), np.tile([160, 120], (60, 1)))


def test_title_and_depth_are_written(tmp_path: Path) -> None:
    options = AnimationConfig(**(OPTIONS.to_dict() | {"titles": True}))
    save(tmp_path / "film.gif", ".gif", shown(options), options, {})
    with Image.open(tmp_path / "film.gif") as image:
        assert image.n_frames == 11  # the line moves in every one
        for number, share in ((0, 0.0), (5, 0.5), (10, 1.0)):
            image.seek(number)
            picture = np.asarray(image.convert("L")).astype(int)
            assert picture[8:26, 12:150].min() < 60  # letters
            bar = picture[240 - 12, 12:308]
            assert np.mean(bar < 150) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_film_that_is_stopped_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise InputError("stopped")

    with pytest.raises(InputError, match="stopped"), whole_file(tmp_path / f"film{suffix}") as target:
        save(target, suffix, shown(), OPTIONS, {}, report=stop)
    assert list(tmp_path.iterdir()) == []


def test_from_the_terminal(tmp_path: Path) -> None:
    small = ["--n-samples", "60", "--n-components", "16", "--n-blocks", "2", "--alpha", "12.5"]
    look = ["--frame-width", "320", "--frame-height", "240", "--fps", "10", "--seconds-per-block", "0.5"]
    look += ["--hold", "0.3", "--point-pixels", "8", "--no-titles", "--view", "pca"]
    out = tmp_path / "film.gif"
    assert main(["animate", str(out), *small, *look]) == 0
    with Image.open(out) as image:
        assert image.n_frames >= 7
        picture = np.asarray(image.convert("RGB"))
    assert_points(picture, pca_view([trajectory().latents[0]])[0], tolerance=0)
    found = read_settings(out)
    assert (found.config, found.view, found.data_key) == (CONFIG, ViewConfig(view="pca"), DATA.key)
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["film.avi"], "the name must end in .gif or .mp4"),
        (["film.gif", "--frame-width", "321"], "frame_width must be even"),
        (["film.mp4", "--fps", "60", "--n-blocks", "400"], "a film of 24121 frames is too long"),
    ],
)
def test_what_cannot_be_made(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["animate", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_longest_film() -> None:
    with pytest.raises(InputError, match="too long"):
        frame_counts(Config(n_blocks=8), AnimationConfig(seconds_per_block=60, fps=60))
    moving, hold = frame_counts(Config(n_blocks=1024), AnimationConfig(seconds_per_block=0.9))
    assert moving + 2 * hold <= MAX_FRAMES
