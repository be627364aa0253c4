"""Keras's function and ours, side by side; and what ours does beyond."""

import hashlib
import inspect
import io
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ext.datasets import image_dataset_from_directory

QUIET = {"image_size": (8, 8), "verbose": False}


@pytest.fixture(autouse=True)
def expected_warnings():
    """Few images are split here, and classes are chosen."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Classes without an image|.* that `classes` does not name")
        yield


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 12, "dogs": 9, "dogs-b": 6, "a": {"deep": 2}})


def elements(dataset):
    parts = zip(*dataset.as_numpy_iterator(), strict=True)
    return [np.concatenate(part) for part in parts]


def test_signature_begins_like_that_of_keras():
    ours = inspect.signature(image_dataset_from_directory).parameters
    theirs = inspect.signature(keras.utils.image_dataset_from_directory).parameters
    shared = [name for name in ours if name in theirs]
    assert shared == list(theirs)
    assert [(name, ours[name].default) for name in shared] == [(name, theirs[name].default) for name in shared]
    assert all(ours[name].kind == inspect.Parameter.KEYWORD_ONLY for name in ours if name not in theirs)


@pytest.mark.parametrize("options", [
    {"validation_split": 0.3, "subset": "both", "seed": 3},
    {"validation_split": 0.3, "subset": "both", "shuffle": False},
    {"validation_split": 0.3, "subset": "training", "seed": 5, "label_mode": "categorical"},
    {"validation_split": 0.3, "subset": "validation", "seed": 5, "class_names": ["dogs", "cats"]},
    {"shuffle": False, "label_mode": None},
    {"shuffle": False, "color_mode": "grayscale", "data_format": "channels_first"},
    {"shuffle": False, "class_names": ["dogs", "cats"], "label_mode": "binary", "batch_size": 4},
    {"shuffle": False, "labels": None},
    {"shuffle": False, "batch_size": None, "crop_to_aspect_ratio": True},
])  # fmt: skip
def test_files_labels_and_shapes_are_those_of_keras(photos, options):
    theirs = keras.utils.image_dataset_from_directory(photos, **QUIET, **options)
    ours = image_dataset_from_directory(photos, **QUIET, **options)
    for their, own in zip(*[data if isinstance(data, list) else [data] for data in (theirs, ours)], strict=True):
        assert own.file_paths == list(their.file_paths)
        assert own.class_names == their.class_names
        assert own.element_spec == their.element_spec
        assert len(own) == len(their)


@pytest.mark.parametrize("options", [
    {},
    {"color_mode": "grayscale"},
    {"interpolation": "Nearest"},
    {"crop_to_aspect_ratio": True},
])  # fmt: skip
def test_images_are_those_of_keras(photos, options):
    theirs = keras.utils.image_dataset_from_directory(photos, shuffle=False, **QUIET, **options)
    ours = image_dataset_from_directory(photos, shuffle=False, **QUIET, **options)
    (their_images, their_labels), (images, labels) = elements(theirs), elements(ours)
    np.testing.assert_array_equal(labels, their_labels)
    # Rounded here, not there; and JPEGs are decoded exactly, where Keras takes the quick way.
    assert np.abs(images - their_images).mean() < 1.0
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, np.round(images))


def test_validation_images_keep_the_order_of_their_files(photos):
    options = {"validation_split": 0.4, "subset": "validation", "seed": 3, "with_file_names": True}
    dataset = image_dataset_from_directory(photos, batch_size=4, **QUIET, **options)
    names, _, labels = elements(dataset)
    assert [str(photos / name.decode()) for name in names] == dataset.file_paths
    np.testing.assert_array_equal(labels, dataset.labels)
    np.testing.assert_array_equal(elements(dataset)[0], names)


def test_uint8(photos):
    floats = elements(image_dataset_from_directory(photos, shuffle=False, **QUIET))[0]
    integers = elements(image_dataset_from_directory(photos, shuffle=False, dtype="uint8", **QUIET))[0]
    assert integers.dtype == np.uint8
    np.testing.assert_array_equal(integers, floats)


def test_labels_and_weights_as_lists(photos):
    labels, weights = list(range(29)), np.linspace(0, 1, 29)
    dataset = image_dataset_from_directory(photos, labels=labels, sample_weights=weights, shuffle=False, **QUIET)
    _, found, weighed = elements(dataset)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_allclose(weighed, weights, rtol=1e-6)
    assert dataset.class_names == [str(label) for label in labels]


def test_found_files_are_printed(photos, capsys):
    image_dataset_from_directory(photos, validation_split=0.2, subset="both", seed=1)
    assert capsys.readouterr().out.splitlines() == [
        "Found 29 files belonging to 4 classes.",
        "Using 24 files for training.",
        "Using 5 files for validation.",
    ]


@pytest.fixture
def split_folders(make_image_folder):
    return make_image_folder({"train": {"a": 6, "b": 5}, "val": {"a": 2, "b": 2}, "test": {"a": 1, "b": 3}})


def test_split_folders(split_folders):
    train, validation = image_dataset_from_directory(split_folders, subset="both", **QUIET)
    test = image_dataset_from_directory(split_folders, subset="test", **QUIET)
    assert [len(data.file_paths) for data in (train, validation, test)] == [11, 4, 4]
    assert all("/val/" in path for path in validation.file_paths)
    assert train.class_names == ["a", "b"]


def test_validation_is_carved_from_a_train_folder(make_image_folder):
    directory = make_image_folder({"train": {"a": 10, "b": 10}, "test": {"a": 2, "b": 2}})
    options = {"validation_split": 0.2, "split_strategy": "stratified", **QUIET}
    train, validation = image_dataset_from_directory(directory, subset="both", **options)
    assert (len(train.file_paths), len(validation.file_paths)) == (16, 4)
    assert all("/train/" in path for path in validation.file_paths)


def test_hash_keeps_identical_images_together_and_does_not_move_others(photos):
    for number in range(12):
        (photos / "dogs" / f"copy{number}.png").write_bytes(
            (photos / "cats" / f"{number:04}.{'pj'[number % 2]}{'np'[number % 2]}g").read_bytes()
        )
    options = {"validation_split": 0.4, "split_strategy": "hash", **QUIET}

    def validation():
        return set(image_dataset_from_directory(photos, subset="validation", **options).file_paths)

    before = validation()
    for number in range(12):
        original = photos / "cats" / f"{number:04}.{'png' if number % 2 == 0 else 'jpg'}"
        assert (str(original) in before) == (str(photos / "dogs" / f"copy{number}.png") in before)
    (photos / "cats" / "0003.jpg").unlink()
    assert validation() == before - {str(photos / "cats" / "0003.jpg")}
    train = image_dataset_from_directory(photos, subset="training", **options).file_paths
    assert not set(train) & validation()


def test_hash_is_the_rule_of_ingest(photos):
    from keras_ext.splits import split_of

    validation = image_dataset_from_directory(
        photos, validation_split=0.25, subset="validation", split_strategy="hash", **QUIET
    )
    expected = [
        str(path)
        for path in photos.rglob("*.*g")
        if split_of(hashlib.sha256(path.read_bytes()).hexdigest(), {"train": 0.75, "eval": 0.25}) == "eval"
    ]
    assert sorted(validation.file_paths) == sorted(expected)


def test_groups_stay_together(photos):
    def group_of(path):
        return path.split("/")[-1][:4]  # the number, across classes

    options = {"validation_split": 0.3, "group_of": group_of, **QUIET}
    train, validation = image_dataset_from_directory(photos, subset="both", **options)
    groups = [{group_of(path) for path in data.file_paths} for data in (train, validation)]
    assert not groups[0] & groups[1]
    assert len(train.file_paths) + len(validation.file_paths) == 29


def test_webp_and_tiff(photos):
    for name in ("a.webp", "b.tiff"):
        Image.fromarray(np.full((9, 9, 3), 77, np.uint8)).save(photos / "cats" / name, lossless=True)
    dataset = image_dataset_from_directory(photos, shuffle=False, with_file_names=True, **QUIET)
    names, images, _ = elements(dataset)
    of = dict(zip(names.tolist(), images, strict=True))
    assert np.unique(of[b"cats/a.webp"]) == np.unique(of[b"cats/b.tiff"]) == [77]
    assert dataset.rejected == []


def test_exif_orientation(photos):
    lying = Image.fromarray(np.vstack([np.zeros((8, 16, 3)), np.full((8, 16, 3), 255)]).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", exif=exif, quality=95)
    (photos / "a" / "deep" / "x.jpg").write_bytes(buffer.getvalue())
    for upright, right_is_darker in ((True, True), (False, False)):
        dataset = image_dataset_from_directory(
            photos, shuffle=False, with_file_names=True, exif_orientation=upright, **QUIET
        )
        names, images, _ = elements(dataset)
        image = images[names.tolist().index(b"a/deep/x.jpg")]
        assert (image[:, 5:].mean() + 100 < image[:, :3].mean()) == right_is_darker


@pytest.mark.parametrize("options, message", [
    ({"validation_split": 0, "subset": "training"}, "validation_split must be a number between 0 and 1.*=0. Leave"),
    ({"validation_split": 1, "subset": "training"}, "validation_split must be a number between 0 and 1"),
    ({"validation_split": 0.2}, "subset must be 'training', 'validation' or 'both'"),
    ({"validation_split": 0.2, "subset": "training"}, "pass a seed"),
    ({"validation_split": 0.01, "subset": "both", "seed": 1}, "The eval subset is empty, of 29 images"),
    ({"subset": "training"}, "needs validation_split, or an input that gives the split 'train'"),
    ({"subset": "trainings"}, "Did you mean 'training'"),
    ({"split_strategy": "stratifed"}, "Did you mean 'stratified'"),
    ({"validation_split": 0.5, "subset": "both", "split_strategy": "group"}, "needs a group for each image"),
    ({"class_names": ["cats", "birds"]}, "without images: birds"),
    ({"class_names": ["cats", "dogs"], "labels": None}, "class_names"),
    ({"color_mode": "rbg"}, "Did you mean 'rgb'"),
    ({"label_mode": "sparse"}, "label_mode must be one of 'int', 'categorical', 'binary'"),
    ({"label_mode": "binary"}, "needs exactly two classes. Found: a, cats, dogs, dogs-b"),
    ({"interpolation": "cubic"}, "Did you mean 'bicubic'"),
    ({"image_size": (8, 0)}, "image_size must be two positive integers"),
    ({"image_size": (8,)}, "image_size must be two positive integers"),
    ({"batch_size": 0}, "batch_size must be a positive integer"),
    ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude each other"),
    ({"data_format": "channel_last"}, "Did you mean 'channels_last'"),
    ({"dtype": "float16"}, "dtype must be one of"),
    ({"format": "grain"}, "format must be one of 'tf'"),
    ({"labels": [1, 2]}, r"one value for each of the 29 images.*shape=\(2,\)"),
    ({"labels": ["a"] * 29}, "labels must be integers"),
    ({"labels": [5] * 29, "label_mode": "categorical"}, "0 to the number of classes - 1"),
    ({"labels": "infer"}, "Did you mean 'inferred'"),
    ({"sample_weights": [-1] * 29}, "finite numbers that are not negative"),
])  # fmt: skip
def test_bad_arguments(photos, options, message):
    with pytest.raises(ValueError, match=message):
        image_dataset_from_directory(photos, **{**QUIET, **options})


def test_a_folder_that_holds_only_images(photos):
    with pytest.raises(ValueError, match="2 images and no class folders.*in Python labels=None"):
        image_dataset_from_directory(photos / "a" / "deep", **QUIET)
    dataset = image_dataset_from_directory(photos / "a" / "deep", labels=None, **QUIET)
    assert dataset.class_names is None
    assert len(dataset.file_paths) == 2


def test_split_folders_need_a_subset(split_folders):
    with pytest.raises(ValueError, match=r"The input gives splits \(train, eval, test\); subset must name one"):
        image_dataset_from_directory(split_folders, **QUIET)
    with pytest.raises(ValueError, match="no meaning where the input itself gives a validation split"):
        image_dataset_from_directory(split_folders, validation_split=0.2, subset="both", seed=1, **QUIET)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="No such directory"):
        image_dataset_from_directory(tmp_path / "nowhere", **QUIET)


def test_batch_size_larger_than_the_data(photos):
    [(images, labels)] = image_dataset_from_directory(photos, batch_size=1000, **QUIET)
    assert images.shape == (29, 8, 8, 3)
    assert labels.shape == (29,)


def test_images_smaller_than_a_pixel_after_cropping(photos):
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(1, 100, 3)).save(photos / "cats" / "line.png")
    options = {"image_size": (90, 2), "crop_to_aspect_ratio": True, "verbose": False}
    dataset = image_dataset_from_directory(photos, **options)
    assert sum(len(labels) for _, labels in dataset) == 30
    assert dataset.rejected == []


def test_a_class_that_is_absent_from_a_subset_is_named(make_image_folder):
    directory = make_image_folder({"a": 9, "b": 1})
    with pytest.warns(UserWarning, match="Classes without an image in eval: a"):
        image_dataset_from_directory(directory, validation_split=0.1, subset="both", shuffle=False, **QUIET)


def test_nothing_is_read_before_it_is_asked_for(photos):
    for path in photos.rglob("*.*g"):
        path.write_bytes(b"no image")
    image_dataset_from_directory(photos, validation_split=0.3, subset="both", seed=1, **QUIET)


def test_names_are_found_in_the_package():
    import keras_ext

    assert keras_ext.datasets.image_dataset_from_directory is image_dataset_from_directory
    assert re.match("Returns batches", image_dataset_from_directory.__doc__)
    assert tf.data.Dataset in keras_ext.datasets.ImageDataset.__mro__
