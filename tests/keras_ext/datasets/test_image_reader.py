"""Files that cannot be decoded: left out, named, and never in the way of the others."""

import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext.datasets import image_dataset_from_directory

OPTIONS = {"image_size": (8, 8), "batch_size": 4, "shuffle": False, "with_file_names": True, "verbose": False}


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 6, "dogs": 6})


def damage(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return "/".join(path.parts[-2:])


def read(dataset):
    """The names in each batch."""
    return [[name.decode() for name in names] for names, *_ in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("number", [0, 5, 11], ids=["first batch", "second", "last"])
def test_a_corrupt_file_is_left_out_with_one_warning(photos, number):
    paths = sorted(photos.rglob("*.*g"))
    whole = read(image_dataset_from_directory(photos, **OPTIONS))
    name = damage(paths[number])
    dataset = image_dataset_from_directory(photos, **OPTIONS)
    assert dataset.rejected == []
    with pytest.warns(UserWarning, match=f"{name} cannot be used .truncated .*dataset.rejected") as warned:
        batches = read(dataset)
    assert batches == [[one for one in batch if one != name] for batch in whole]
    assert read(dataset) == batches
    assert len(warned) == 1
    [(path, reason)] = dataset.rejected
    assert (path, reason.split()[0]) == (name, "truncated")
    assert len(dataset) == len(batches) == 3
    assert len(dataset.file_paths) == 12


def test_labels_stay_with_their_images(photos):
    paths = sorted(photos.rglob("*.*g"))
    colours = {}
    for number, path in enumerate(paths):
        Image.fromarray(np.full((9, 9, 3), 20 * number, np.uint8)).save(path.with_suffix(".png"))
        colours["/".join(path.with_suffix(".png").parts[-2:])] = 20 * number
        if path.suffix != ".png":
            path.unlink()
    damage(sorted(photos.rglob("*.png"))[2])
    dataset = image_dataset_from_directory(photos, **{**OPTIONS, "shuffle": True}, seed=1)
    with pytest.warns(UserWarning, match="cannot be used"):
        found = [element for batch in dataset.as_numpy_iterator() for element in zip(*batch, strict=True)]
    assert len(found) == 11
    for name, image, label in found:
        assert np.unique(image) == [colours[name.decode()]]
        assert dataset.class_names[label] == name.decode().split("/")[0]


@pytest.mark.parametrize("batch_size", [1, 4, None])
def test_a_batch_of_corrupt_files_alone_is_no_batch(photos, batch_size):
    paths = sorted(photos.rglob("*.*g"))
    for path in paths[4:8]:
        path.write_bytes(b"")
    dataset = image_dataset_from_directory(photos, **{**OPTIONS, "batch_size": batch_size})
    with pytest.warns(UserWarning, match=r"cats/000[4-7]\.\w+ cannot be used \(empty file\)"):
        elements = list(dataset)
    assert len(elements) == 8 // (batch_size or 1)
    assert len(dataset) == 12 // (batch_size or 1)
    assert [reason for _, reason in dataset.rejected] == ["empty file"] * 4


def test_no_file_can_be_decoded(photos):
    for path in photos.rglob("*.*g"):
        path.write_bytes(b"text")
    dataset = image_dataset_from_directory(photos, **OPTIONS)
    none = "None of the 12 image files can be decoded: not an image"
    with pytest.warns(UserWarning, match="cannot be used"), pytest.raises(tf.errors.InvalidArgumentError, match=none):
        list(dataset)
    with pytest.warns(UserWarning, match="cannot be used"), pytest.raises(ValueError, match=none):
        image_dataset_from_directory(photos, cache="memory", **OPTIONS)


def test_a_file_that_vanishes_meanwhile(photos):
    dataset = image_dataset_from_directory(photos, **OPTIONS)
    (photos / "cats" / "0002.png").unlink()
    with pytest.warns(UserWarning, match="vanished while reading"):
        assert sum(map(len, read(dataset))) == 11


def test_whether_a_file_is_used_does_not_depend_on_its_neighbours(photos, make_image):
    # TensorFlow reads on over what follows the image; so it does where a neighbour is damaged.
    odd = photos / "cats" / "0000.png"
    odd.write_bytes(make_image("cats", 0) + b"more")
    alone = image_dataset_from_directory(photos, **OPTIONS)
    assert sum(map(len, read(alone))) == 12
    damage(photos / "cats" / "0001.jpg")
    beside = image_dataset_from_directory(photos, **OPTIONS)
    with pytest.warns(UserWarning, match="0001.jpg"):
        assert "cats/0000.png" in read(beside)[0]


def test_what_the_listing_rejects_is_listed_too(photos):
    os.symlink("nowhere", photos / "cats" / "link.png")
    with pytest.warns(UserWarning, match="1 of 13 files cannot be used: cats/link.png .broken link."):
        dataset = image_dataset_from_directory(photos, **OPTIONS)
    assert dataset.rejected == [("cats/link.png", "broken link")]


def test_only_the_own_files_are_listed(photos):
    options = {**OPTIONS, "shuffle": True, "seed": 2, "validation_split": 0.5, "subset": "both"}
    for path in photos.rglob("*.jpg"):
        damage(path)
    train, validation = image_dataset_from_directory(photos, **options)
    with pytest.warns(UserWarning, match="cannot be used"):
        names = [name for data in (train, validation) for batch in read(data) for name in batch]
    assert len(names) == 6
    for data in (train, validation):
        assert all(str(photos / path) in data.file_paths for path, _ in data.rejected)
    assert len(train.rejected) + len(validation.rejected) == 6


def test_fit_goes_on(photos):
    import keras

    damage(photos / "dogs" / "0005.jpg")
    dataset = image_dataset_from_directory(photos, **{**OPTIONS, "with_file_names": False})
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="cannot be used") as warned:
        losses = model.fit(dataset, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert not [one for one in warned if "ran out of data" in str(one.message)]
