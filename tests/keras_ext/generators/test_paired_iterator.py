"""Images and their masks."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ext import ImageDataGenerator
from keras_ext.generators import PairedIterator

X = np.random.default_rng(0).integers(0, 256, (20, 8, 12, 3), np.uint8)
GEOMETRY = {"rotation_range": 40, "zoom_range": 0.3, "horizontal_flip": True, "interpolation_order": 0}
OPTIONS = {"class_mode": None, "target_size": (16, 20), "batch_size": 4}


@pytest.fixture
def folders(tmp_path):
    """Images, and the red of each as its mask."""
    rng = np.random.default_rng(1)
    for name in ("images", "masks"):
        (tmp_path / name / "all").mkdir(parents=True)
    for number in range(10):
        image = Image.fromarray(rng.integers(0, 256, (16, 20, 3), np.uint8))
        image.save(tmp_path / "images" / "all" / f"{number}.png")
        image.getchannel("R").save(tmp_path / "masks" / "all" / f"{number}_mask.png")
    return tmp_path


def flows(folders, **options):
    options = {**OPTIONS, **options}
    images = ImageDataGenerator(**GEOMETRY).flow_from_directory(folders / "images", seed=1, **options)
    masks = ImageDataGenerator(**GEOMETRY).flow_from_directory(folders / "masks", color_mode="grayscale", **options)
    return images, masks


def epoch(pairs):
    return [pairs[index] for index in range(len(pairs))]


def check(batches, count):
    """Each mask is the red of its image."""
    for images, masks in batches:
        assert len(images)
        np.testing.assert_allclose(images[..., :1], masks, atol=1e-3)
    assert sum(len(images) for images, _ in batches) == count


def test_images_and_masks_share_draws_and_order(folders):
    pairs = PairedIterator(*flows(folders))
    batches = epoch(pairs)
    check(batches, 10)
    alone, _ = flows(folders)
    np.testing.assert_array_equal(batches[0][0], alone[0])  # as the images come without masks
    pairs.on_epoch_end()
    again = epoch(pairs)
    check(again, 10)
    assert not np.array_equal(batches[0][0], again[0][0])


@pytest.mark.parametrize("batch_size", [1, 4, 30])
@pytest.mark.parametrize("of_images, of_masks", [([], [0]), ([9], []), ([2], [3, 4]), ([0, 1, 2], [3, 4, 9])])
def test_what_cannot_be_read_in_one_is_left_out_in_both(folders, batch_size, of_images, of_masks):
    for number in of_images:
        (folders / "images" / "all" / f"{number}.png").write_bytes(b"")
    for number in of_masks:
        (folders / "masks" / "all" / f"{number}_mask.png").write_bytes(b"no image")
    images, masks = flows(folders, batch_size=batch_size)
    pairs, bad = PairedIterator(images, masks), len(of_images) + len(of_masks)
    with pytest.warns(UserWarning, match="is left out") as caught:
        batches = epoch(pairs)
    assert len(caught) == bad
    # At batch_size=1, the next pair takes the place of one that is left out.
    check(batches, 10 if batch_size == 1 else 10 - bad)
    assert len(images.filenames) == len(masks.filenames) == pairs.n == 10 - bad
    assert [name[:5] for name in images.filenames] == [name[:5] for name in masks.filenames]
    reasons = {
        **dict.fromkeys(of_images, "empty file"),
        **dict.fromkeys(of_masks, "its pair is left out (not an image)"),
    }
    assert dict(images.rejected) == {f"all/{number}.png": reason for number, reason in reasons.items()}
    assert len(masks.rejected) == bad
    pairs.on_epoch_end()
    check(epoch(pairs), 10 if batch_size == 1 else 10 - bad)


def test_nothing_is_left(folders):
    for number in range(10):
        folder, name = ("images", f"{number}.png") if number % 2 else ("masks", f"{number}_mask.png")
        (folders / folder / "all" / name).write_bytes(b"")
    pairs = PairedIterator(*flows(folders))
    with (
        pytest.raises(ValueError, match="None of the 10 image files can be read"),
        pytest.warns(UserWarning, match="left"),
    ):
        epoch(pairs)


def test_fit_takes_pairs(folders):
    images, masks = flows(folders)
    model = keras.Sequential([keras.Input((16, 20, 3)), keras.layers.Conv2D(1, 1, use_bias=False)])
    model.compile("sgd", "mae")
    model.layers[0].set_weights([np.array([1.0, 0, 0]).reshape(1, 1, 3, 1)])
    assert model.evaluate(PairedIterator(images, masks), verbose=0) == pytest.approx(0, abs=1e-3)
    assert len(model.fit(PairedIterator(images, masks), epochs=2, verbose=0).history["loss"]) == 2


def test_arrays_and_what_each_flow_does_by_itself(tmp_path):
    images = ImageDataGenerator(**GEOMETRY, rescale=0.5).flow(X, batch_size=8, seed=3)
    masks = ImageDataGenerator(**GEOMETRY).flow(X[..., :1], batch_size=8, save_to_dir=tmp_path / "masks")
    pairs = PairedIterator(images, masks)
    for one, other in (next(pairs) for _ in range(6)):
        np.testing.assert_allclose(one[..., :1] * 2, other, atol=1e-3)
    assert len(list((tmp_path / "masks").iterdir())) == 40


def test_the_validation_subset_is_not_augmented(folders):
    flow = [
        ImageDataGenerator(**GEOMETRY, validation_split=0.5).flow(images, subset="validation", shuffle=False)
        for images in (X, X[..., :1])
    ]
    images, masks = PairedIterator(*flow)[0]
    np.testing.assert_array_equal(images, X[:10])
    np.testing.assert_array_equal(masks, X[:10, ..., :1])


def test_flows_that_are_no_pairs(folders):
    images, masks = flows(folders)
    labelled, _ = flows(folders, class_mode="sparse")
    with pytest.raises(ValueError, match="targets must be a flow without labels"):
        PairedIterator(images, labelled)
    with pytest.raises(ValueError, match="inputs must be a flow without labels"):
        PairedIterator(ImageDataGenerator().flow(X, np.arange(20)), images)
    with pytest.raises(TypeError, match="targets must be a flow.*Received: ndarray"):
        PairedIterator(images, X)
    with pytest.raises(TypeError, match="Received: PairedIterator"):
        PairedIterator(images, PairedIterator(images, masks))
    (folders / "masks" / "all" / "4_mask.png").unlink()
    with pytest.raises(ValueError, match="10 with subset=None and 9 .*'all/4.png' and 'all/5_mask.png'"):
        PairedIterator(*flows(folders))


def test_zip_keeps_the_pairs_of_other_batches_and_tells_of_this_class(folders):
    """Two flows know nothing of each other; what is zipped can still be told to be wrong by its length."""
    (folders / "masks" / "all" / "3_mask.png").write_bytes(b"")
    images, _ = flows(folders)
    masks = ImageDataGenerator(**GEOMETRY).flow_from_directory(
        folders / "masks", color_mode="grayscale", seed=1, **OPTIONS
    )
    with pytest.warns(UserWarning, match="3_mask.png is left out: empty file. If .* join them by PairedIterator"):
        batches = [(next(images), next(masks)) for _ in range(3)]
    same = [(one, other) for one, other in batches if len(one) == len(other)]
    assert len(same) == 2
    check(same, sum(len(one) for one, _ in same))
