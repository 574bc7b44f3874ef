"""Images at 16 × 16: the MNIST family averaged exactly, ImageNet's files in miniature, and damaged ones."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dr_transformer.data.dataset import load
from dr_transformer.errors import InputError
from dr_transformer.training.images import IMAGENET_BATCHES, load_images, read_imagenet, shrink
from dr_transformer.training.loop import train
from dr_transformer.training.settings import RunConfig, ViTSettings, preset
from tests.training.tiny import write_imagenet


def test_shrinking_is_the_mean_over_areas_exactly() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(3, 28, 28), dtype=np.uint8)
    small = shrink(images, 16)
    assert (small.shape, small.dtype) == ((3, 16, 16), np.uint8)

    def overlap(new: int, old: int) -> Fraction:
        low, high = max(Fraction(28 * new, 16), old), min(Fraction(28 * (new + 1), 16), old + 1)
        return max(high - low, Fraction(0))

    weights = [[overlap(new, old) for old in range(28)] for new in range(16)]
    for image, new in zip(images.tolist(), small, strict=True):
        for i, j in [(0, 0), (0, 15), (7, 3), (9, 12), (15, 15)]:
            rows = ((w, row) for w, row in zip(weights[i], image, strict=True) if w)
            exact = (
                sum(w * v * p for w, row in rows for v, p in zip(weights[j], row, strict=True)) / Fraction(7, 4) ** 2
            )
            assert new[i, j] == int(exact + Fraction(1, 2))
    flat = np.full((1, 28, 28), 201, np.uint8)
    assert (shrink(flat, 16) == 201).all()
    np.testing.assert_array_equal(shrink(images[:, :16, :16], 16), images[:, :16, :16])


def test_the_bundled_sample() -> None:
    data, all_images = load_images("mnist", None, lambda _: None), load("mnist")
    assert (data.train.shape, data.val.shape, data.n_classes) == ((8000, 1, 16, 16), (2000, 1, 16, 16), 10)
    assert all_images.images is not None
    assert all_images.labels is not None
    np.testing.assert_array_equal(data.val[:, 0], shrink(all_images.images[8000:], 16))
    np.testing.assert_array_equal(data.train_labels, all_images.labels[:8000])
    assert data.info.name == "mnist"
    assert data.info.source == "MNIST, the first 10 000 training images, averaged to 16 × 16"
    # Exact arithmetic, so the same on every machine: rows of results name their data by it.
    assert data.info.sha256 == "92f2a48f033071353a83c9ca7e21da6cce753fa821f587ca7b4500e32f1c5343"


def test_downsampled_imagenet(tmp_path: Path) -> None:
    written = write_imagenet(tmp_path)
    data = load_images("imagenet16", tmp_path, lambda _: None)
    assert (data.train.shape, data.val.shape, data.n_classes) == ((120, 3, 16, 16), (12, 3, 16, 16), 1000)
    np.testing.assert_array_equal(data.train.reshape(120, 768), np.concatenate(written))
    with np.load(tmp_path / IMAGENET_BATCHES[2]) as batch:
        np.testing.assert_array_equal(data.train_labels[24:36], batch["labels"] - 1)
    mean, std = data._scale
    pixels = data.train.astype(np.float64)
    np.testing.assert_allclose(mean.ravel(), pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std.ravel(), pixels.std(axis=(0, 2, 3)), rtol=1e-6)


def test_the_preset_of_the_paper_counts_in_epochs(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    data = load_images("imagenet16", tmp_path, lambda _: None)
    settings = preset("vit", "imagenet16")
    assert (settings.n_layer, settings.n_head, settings.n_embd, settings.dropout) == (12, 4, 256, 0.1)
    assert settings.iterations(1_281_167) == 50 * 2502
    small = preset("vit", "imagenet16", {"batch_size": 50, "epochs": 3, "n_layer": 1, "n_embd": 16, "warmup_iters": 0})
    row = train(small, "laplacian", 0, data=data, run=RunConfig(device="cpu"))
    assert row.iterations == 6  # two whole batches of 50 in 120 images
    assert row.curve["val_loss"][0] == pytest.approx(np.log(1000), abs=0.05)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"labels": np.ones(4, int)}, "has no array 'data'"),
        ({"data": np.zeros((4, 768), np.uint8)}, "has no array 'labels'"),
        ({"data": np.zeros((4, 3072), np.uint8), "labels": np.ones(4, int)}, r"must be uint8 of shape \(n, 768\)"),
        ({"data": np.zeros((4, 768), np.float32), "labels": np.ones(4, int)}, "but are float32"),
        ({"data": np.zeros((0, 768), np.uint8), "labels": np.ones(0, int)}, r"of shape \(0, 768\)"),
        ({"data": np.zeros((4, 768), np.uint8), "labels": np.ones(3, int)}, "must be 4 whole numbers"),
        ({"data": np.zeros((4, 768), np.uint8), "labels": np.ones(4)}, "must be 4 whole numbers, but are float64"),
        ({"data": np.zeros((4, 768), np.uint8), "labels": np.arange(4)}, "must be 1 to 1000, but reach from 0 to 3"),
        ({"data": np.zeros((4, 768), np.uint8), "labels": np.array([1, 1001, 2, 3])}, "from 1 to 1001"),
        ({"data": np.zeros((4, 768), np.uint8), "labels": np.array([1, 2, "x", None], object)}, "cannot be read"),
    ],
)
def test_wrong_arrays(arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "train_data_batch_1.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=sentence) as error:
        read_imagenet(path)
    assert "train_data_batch_1.npz" in str(error.value)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    path = tmp_path / IMAGENET_BATCHES[6]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    for content in (b"", b"nonsense", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"train_data_batch_7\.npz cannot be read .*put the original there"):
            load_images("imagenet16", tmp_path, lambda _: None)
    path.unlink()
    with pytest.raises(InputError, match=r"train_data_batch_7\.npz is missing in .*; put all ten batches and val_data"):
        load_images("imagenet16", tmp_path, lambda _: None)


def test_images_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="imagenet16 needs the folder of train_data_batch_1"):
        load_images("imagenet16", None, lambda _: None)
    few = load_images("mnist", None, lambda _: None, 4)
    with pytest.raises(InputError, match="mnist has no images left to validate on; take at least 5"):
        few.check(ViTSettings(batch_size=2))
    with pytest.raises(InputError, match="n_samples must be at least 2, but is 0"):
        load_images("mnist", None, lambda _: None, 0)
    with pytest.raises(InputError, match="unknown images 'digits'; choose one of mnist"):
        load_images("digits", None, lambda _: None)
    with pytest.raises(InputError, match="lacks the Fashion-MNIST files"):
        load_images("fashion-mnist", tmp_path, lambda _: None)
