from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from dr_transformer.palette import PETROFF10, TAB10, class_colours
from dr_transformer.ui.blob import Blob, digest
from dr_transformer.ui.canvas import Panel, default_opacity, default_point_size, pack_canvas, pack_images


def unpack(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """The header, and the bytes to which its places refer."""
    (length,) = struct.unpack("<I", blob[:4])
    base = -(-(4 + length) // 4) * 4
    return json.loads(blob[4 : 4 + length]), blob[base:]


def read(place: dict[str, int], arrays: bytes, dtype: str) -> np.ndarray:
    return np.frombuffer(arrays, dtype, count=place["length"], offset=place["start"])


def decode(frame: dict[str, Any], arrays: bytes) -> np.ndarray:
    stored = read(frame["points"], arrays, "<i2").reshape(-1, 2)
    return stored * np.array(frame["step"]) + np.array(frame["offset"])


def canvas_blob(frames: np.ndarray, labels: np.ndarray | None = None, **settings: Any) -> tuple[dict[str, Any], bytes]:
    depths = tuple(float(i) for i in range(len(frames)))
    n = frames.shape[1]
    arguments: dict[str, Any] = {
        "labels": np.arange(n) % 2 if labels is None else labels,
        "class_names": ["even", "odd"],
        "dataset_key": "test",
        "n_blocks": len(frames) - 1,
        "depth": 0,
    }
    return unpack(pack_canvas([Panel("panel", frames, depths, "x", "y")], **(arguments | settings)))


def test_arrays_come_back_from_aligned_places() -> None:
    blob = Blob()
    arrays = [np.arange(3, dtype=np.uint8), np.array([-7, 8], dtype=np.int16), np.arange(2, dtype=np.float32)]
    places = [blob.add(array) for array in arrays]
    header, packed = unpack(blob.pack({"name": "Größe", "places": places}))
    assert header == {"name": "Größe", "places": places}
    for place, array in zip(places, arrays, strict=True):
        assert place["start"] % 4 == 0
        np.testing.assert_array_equal(read(place, packed, array.dtype.str), array)


def test_big_endian_arrays_are_stored_little_endian() -> None:
    blob = Blob()
    place = blob.add(np.array([1, 2], dtype=">i2"))
    _, packed = unpack(blob.pack({}))
    np.testing.assert_array_equal(read(place, packed, "<i2"), [1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("centre", [0.0, 1e6])
def test_positions_are_exact_to_half_a_step(dtype: str, centre: float) -> None:
    frames = (np.random.RandomState(0).randn(3, 500, 2) * [1, 1e-2] * 10.0 + centre).astype(dtype)
    header, arrays = canvas_blob(frames)
    for packed, frame in zip(header["panels"][0]["frames"], frames, strict=True):
        exact = frame.astype(np.float64)
        error = np.abs(decode(packed, arrays) - exact)
        assert (error <= np.ptp(exact, axis=0) / 65534 * 0.5 * (1 + 1e-9) + 1e-12 * abs(centre)).all()
        np.testing.assert_array_equal(packed["extent"], [*exact.min(axis=0), *exact.max(axis=0)])


def test_one_place_for_all_points_is_kept_exactly() -> None:
    header, arrays = canvas_blob(np.full((1, 4, 2), 3.25))
    np.testing.assert_array_equal(decode(header["panels"][0]["frames"][0], arrays), np.full((4, 2), 3.25))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_frames_that_are_not_finite_are_refused(value: float) -> None:
    frames = np.zeros((2, 4, 2))
    frames[1, 2, 0] = value
    with pytest.raises(AssertionError, match="finite"):
        canvas_blob(frames)


def test_digests_tell_which_frames_changed() -> None:
    frames = np.random.RandomState(0).randn(3, 50, 2)
    changed = frames.copy()
    changed[1, 0] += 0.5
    before, after = (canvas_blob(each)[0]["panels"][0]["frames"] for each in (frames, changed))
    same = [a["digest"] == b["digest"] for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True]
    assert digest(np.arange(4)) == digest(np.arange(8)[:4]) != digest(np.arange(1, 5))


def test_classes_and_colours_reach_the_blob() -> None:
    labels = np.array([0, 2, 1, 2])
    names = ["a", "b", "c"]
    header, arrays = canvas_blob(np.zeros((1, 4, 2)), labels, class_names=names, palette=TAB10)
    np.testing.assert_array_equal(read(header["codes"], arrays, "u1"), labels)
    assert header["class_names"] == names
    assert header["colours"] == list(TAB10[:3])


def test_labels_without_a_name_are_refused() -> None:
    with pytest.raises(AssertionError, match="class_names"):
        canvas_blob(np.zeros((1, 3, 2)), np.array([0, 1, 2]))


@pytest.mark.parametrize(
    ("frames", "depths", "scale"),
    [
        (np.zeros((2, 3)), (0.0, 1.0), "frame"),
        (np.zeros((2, 3, 3)), (0.0, 1.0), "frame"),
        (np.zeros((2, 3, 2)), (0.0,), "frame"),
        (np.zeros((2, 3, 2)), (1.0, 1.0), "frame"),
        (np.zeros((2, 3, 2)), (0.0, 1.0), "first"),
    ],
)
def test_a_panel_that_cannot_be_drawn_is_refused(frames: np.ndarray, depths: tuple[float, ...], scale: str) -> None:
    with pytest.raises(AssertionError):
        Panel("panel", frames, depths, scale=scale)


def test_images_are_compressed_once_per_data_set() -> None:
    images = np.random.RandomState(0).randint(0, 256, (5, 8, 8)).astype(np.uint8)
    blob = pack_images(images, "images-a")
    header, arrays = unpack(blob)
    pixels = zlib.decompress(read(header["images"], arrays, "u1").tobytes())
    np.testing.assert_array_equal(np.frombuffer(pixels, "u1").reshape(5, 8, 8), images)
    assert (header["dataset_key"], header["width"], header["height"]) == ("images-a", 8, 8)
    assert pack_images(images, "images-a") is blob
    assert pack_images(images, "images-b") != blob


def test_many_points_are_smaller_and_fainter() -> None:
    sizes = [default_point_size(n) for n in (100, 10_000, 70_000)]
    opacities = [default_opacity(n) for n in (100, 10_000, 70_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert opacities == sorted(opacities, reverse=True)
    assert 2 <= sizes[-1] < sizes[0] <= 8


def test_a_short_palette_starts_anew() -> None:
    assert class_colours(12)[10:] == list(PETROFF10[:2])
    assert len(set(PETROFF10)) == len(set(TAB10)) == 10
