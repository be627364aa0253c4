import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext import ImageDataGenerator

KerasGenerator = tf.keras.preprocessing.image.ImageDataGenerator


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 7, "dogs": 5, "dogs-old": 3})


def flow(directory, **options):
    options = {"target_size": (16, 20), "batch_size": 4, "shuffle": False, "class_mode": "sparse", **options}
    split = options.pop("validation_split", 0.0)
    return ImageDataGenerator(validation_split=split).flow_from_directory(directory, **options)


def all_of(batches):
    return [batches[i] for i in range(len(batches))]


@pytest.mark.parametrize("class_mode", ["categorical", "sparse", "input", None])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
def test_the_same_as_keras(photos, class_mode, color_mode):
    (photos / "cats" / "-nested").mkdir()  # first by name, last as folders are walked
    os.rename(photos / "cats" / "0001.jpg", photos / "cats" / "-nested" / "0000.JPG")
    # Where a pixel lies exactly between two, Pillow's nearest neighbour is a matter of rounding: not with this size.
    options = {"target_size": (16, 32), "color_mode": color_mode, "class_mode": class_mode, "batch_size": 4}
    expected = KerasGenerator(rescale=0.5).flow_from_directory(str(photos), shuffle=False, **options)
    found = ImageDataGenerator(rescale=0.5).flow_from_directory(str(photos), shuffle=False, **options)
    for name in ("samples", "n", "class_indices", "filenames", "filepaths", "directory", "image_shape", "num_classes"):
        assert getattr(found, name) == getattr(expected, name), name
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.classes.dtype == expected.classes.dtype
    assert len(found) == len(expected)
    for one, other in zip(all_of(found), all_of(expected), strict=True):
        for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
            np.testing.assert_allclose(a, b, atol=0.5 if color_mode == "grayscale" else 0)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("subset", ["training", "validation"])
def test_the_split_of_keras(photos, subset):
    expected = KerasGenerator(validation_split=0.4).flow_from_directory(str(photos), subset=subset)
    found = flow(photos, validation_split=0.4, subset=subset)
    assert found.filenames == expected.filenames
    np.testing.assert_array_equal(found.classes, expected.classes)


def test_binary(photos):
    labels = flow(photos, class_mode="binary", classes=["dogs", "cats"], batch_size=100)[0][1]
    assert labels.tolist() == [0] * 5 + [1] * 7
    with pytest.raises(ValueError, match="binary.*two classes. Found 3: 'cats', 'dogs', 'dogs-old'"):
        flow(photos, class_mode="binary")


def test_input_is_a_copy(photos):
    images, labels = flow(photos, class_mode="input")[0]
    labels += 1
    assert not np.array_equal(images, labels)


def test_hidden_and_empty_folders_are_no_classes(photos):
    for name in (".ipynb_checkpoints", "empty"):
        (photos / name).mkdir()
    (photos / ".ipynb_checkpoints" / "a.png").write_bytes((photos / "cats" / "0000.png").read_bytes())
    (photos / "cats" / "._0000.png").write_bytes(b"")
    assert list(flow(photos).class_indices) == ["cats", "dogs", "dogs-old"]
    assert flow(photos).samples == 15


def test_linked_folders(photos, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.rename(photos / "dogs-old", tmp_path / "elsewhere" / "birds")
    os.symlink(tmp_path / "elsewhere" / "birds", photos / "birds")
    # A class folder may be a link; what is linked below one needs follow_links.
    expected = KerasGenerator().flow_from_directory(str(photos))
    assert flow(photos).class_indices == expected.class_indices == {"birds": 0, "cats": 1, "dogs": 2}
    assert flow(photos).filenames == expected.filenames
    os.rename(photos / "birds", photos / "cats" / "birds")
    with pytest.warns(UserWarning, match="Linked folders are not followed: cats/birds"):
        assert flow(photos).samples == 12
    assert flow(photos, follow_links=True).samples == 15


def test_one_class(make_image_folder):
    found = flow(make_image_folder({"all": 3}), class_mode=None)
    assert (found.samples, found.class_indices) == (3, {"all": 0})


def test_images_without_class_folders(make_image_folder, capsys):
    directory = make_image_folder({"all": 3}) / "all"
    with pytest.raises(ValueError, match="3 images and no class folders.*Pass class_mode=None"):
        flow(directory)
    found = flow(directory, class_mode=None)
    assert found.filenames == ["0000.png", "0001.jpg", "0002.png"]
    # The trick that tutorials have for this.
    same = flow(directory.parent, classes=["all"], class_mode=None)
    np.testing.assert_array_equal(found[0], same[0])
    np.testing.assert_array_equal(found[0], flow(directory, classes=["."], class_mode=None)[0])
    images, labels = flow(directory, class_mode="input")[0]
    np.testing.assert_array_equal(images, labels)
    assert "Found 3 images belonging to 1 classes." in capsys.readouterr().out


def test_images_beside_class_folders_are_rejected(photos, capsys):
    os.rename(photos / "cats" / "0000.png", photos / "loose.png")
    found = flow(photos)
    assert (found.samples, found.rejected) == (14, [("loose.png", "no class folder")])
    assert "1 files are left out" in capsys.readouterr().out


def test_no_such_directory(tmp_path):
    with pytest.raises(TypeError, match="directory must be the path of a folder. Received: directory=None"):
        flow(None)
    with pytest.raises((ValueError, FileNotFoundError), match="No such directory"):
        flow(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="No images found"):
        flow(tmp_path)


def test_a_class_that_is_absent(photos):
    with pytest.raises(ValueError, match="classes lists 'dog'.*Did you mean 'dogs'"):
        flow(photos, classes=["cats", "dog"])
    # All folders are listed, and one class has none here, as in a small validation set.
    with pytest.warns(UserWarning, match="Classes without an image .*'horses'"):
        found = flow(photos, classes=["cats", "horses", "dogs", "dogs-old"], class_mode="categorical")
    assert found.class_indices == {"cats": 0, "horses": 1, "dogs": 2, "dogs-old": 3}
    assert found[2][1].shape == (4, 4)
    (photos / "horses").mkdir()
    with pytest.raises(ValueError, match="None of the classes"):
        flow(photos, classes=["horses"])
    with pytest.raises(ValueError, match="each class once"):
        flow(photos, classes=["cats", "cats"])
    with pytest.raises(TypeError, match="classes must be a list"):
        flow(photos, classes="cats")


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"class_mode": "categoric"}, ValueError, "Did you mean 'categorical'"),
        ({"class_mode": "raw"}, ValueError, "class_mode must be one of"),
        ({"color_mode": "cmyk"}, ValueError, "color_mode must be one of"),
        ({"target_sise": (3, 3)}, TypeError, "has no argument 'target_sise'. Did you mean 'target_size'"),
        ({"subset": "val", "validation_split": 0.2}, ValueError, "subset must be one of"),
        ({"subset": "validation"}, ValueError, "needs a validation_split"),
        ({"subset": "validation", "validation_split": 0.01}, ValueError, "at least one image.*validation_split=0.01"),
    ],
)
def test_bad_arguments(photos, arguments, error, message):
    with pytest.raises(error, match=message):
        flow(photos, **arguments)


@pytest.mark.parametrize("broken", [[0], [14], [5, 6], [1, 3, 8, 13], [4, 5, 6, 7]])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_corrupt_files_are_left_out(photos, broken, batch_size):
    names = flow(photos).filenames
    for position in broken:
        (photos / names[position]).write_bytes(b"\xff\xd8\xff broken")
    found = flow(photos, class_mode=None, batch_size=batch_size)
    with pytest.warns(UserWarning, match="is left out") as caught:
        images = np.concatenate(all_of(found))
    assert len(caught) == len(broken)
    assert all(names[position] in str(warning.message) for position, warning in zip(broken, caught, strict=True))
    kept = [name for position, name in enumerate(names) if position not in broken]
    assert found.filenames == kept
    assert len(found.classes) == found.samples == found.n == len(images) == len(kept)
    assert [name for name, _ in found.rejected] == [names[position] for position in broken]
    assert sorted(found.index_array) == list(range(len(kept)))
    # In the next epoch there is no warning, and the same images.
    found.on_epoch_end()
    np.testing.assert_array_equal(np.concatenate(all_of(found)), images)


def test_labels_stay_with_their_images(photos):
    names = flow(photos).filenames
    (photos / names[1]).write_bytes(b"")
    found = flow(photos)
    with pytest.warns(UserWarning, match="empty file"):
        images, labels = found[0]
    assert (len(images), labels.tolist()) == (3, [0, 0, 0])
    assert flow(photos).filenames == names  # another flow knows nothing yet


def test_a_batch_with_labels_is_never_empty(photos):
    names = flow(photos).filenames
    for name in names[6:9]:
        (photos / name).write_bytes(b"")
    found = flow(photos, batch_size=1)
    with pytest.warns(UserWarning, match="is left out") as caught:
        batches = all_of(found)
    # A file that several batches met is told of once.
    assert len(caught) == len(found.rejected) == 3
    # A loss over nothing is not a number: the next image that can be read takes the place.
    assert [len(images) for images, _ in batches] == [1] * 15
    np.testing.assert_array_equal(batches[7][0], batches[9][0])
    assert batches[7][1] == batches[9][1]
    # It has another entry there, so that predictions stay aligned.
    assert found.filenames == names[:6] + [names[9]] * 3 + names[9:]
    assert found.classes.tolist() == [labels.item() for _, labels in batches]
    assert (found.samples, found.index_array.tolist()) == (15, list(range(15)))


@pytest.mark.parametrize("broken, batch_size", [([14], 7), ([0, 1, 2, 3, 8], 4), ([12, 13, 14], 3), ([0, 14], 1)])
def test_labelled_predictions_stay_aligned_with_file_names(photos, broken, batch_size):
    names = flow(photos).filenames
    for position in broken:
        (photos / names[position]).write_bytes(b"")
    model = keras.Sequential([keras.Input((16, 20, 3)), keras.layers.GlobalAveragePooling2D()])
    found = flow(photos, class_mode="categorical", batch_size=batch_size)
    with pytest.warns(UserWarning, match="is left out"):
        predictions = model.predict(found, verbose=0)
    assert found.samples == len(found.classes) == len(found.filenames) == len(predictions)
    expected = [keras.utils.load_img(path, target_size=(16, 20)) for path in found.filepaths]
    np.testing.assert_allclose(predictions, [np.mean(image, (0, 1)) for image in expected], rtol=1e-4)


def test_a_shuffled_flow_has_no_entry_twice(photos):
    names = flow(photos).filenames
    (photos / names[3]).write_bytes(b"")
    found = flow(photos, batch_size=1, shuffle=True, seed=1)
    with pytest.warns(UserWarning, match="is left out"):
        all_of(found)
    assert found.filenames == names[:3] + names[4:]
    assert sorted(found.index_array) == list(range(14))


@pytest.mark.parametrize("class_mode", ["sparse", None])
def test_every_file_is_corrupt(photos, class_mode):
    for name in flow(photos).filenames:
        (photos / name).write_bytes(b"no image")
    found = flow(photos, class_mode=class_mode)
    message = "None of the 15 image files can be read. The first: 'cats/0000.png': not an image"
    with pytest.raises(ValueError, match=message), pytest.warns(UserWarning, match="is left out"):
        all_of(found)
    assert len(found.rejected) == 15


def test_predictions_stay_aligned_with_file_names(photos):
    names = flow(photos).filenames
    for position in (2, 3, 4, 5, 14):
        (photos / names[position]).write_bytes(b"")
    model = keras.Sequential([keras.Input((16, 20, 3)), keras.layers.GlobalAveragePooling2D()])
    found = flow(photos, class_mode=None, batch_size=1)
    with pytest.warns(UserWarning, match="is left out"):
        predictions = model.predict(found, verbose=0)
    expected = [keras.utils.load_img(path, target_size=(16, 20)) for path in found.filepaths]
    np.testing.assert_allclose(predictions, [np.mean(image, (0, 1)) for image in expected], rtol=1e-4)


def test_fit_and_evaluate(photos):
    model = keras.Sequential([keras.Input((16, 20, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    generator = ImageDataGenerator(rotation_range=20, rescale=1 / 255, validation_split=0.3)
    options = {"target_size": (16, 20), "batch_size": 4, "seed": 1}
    train = generator.flow_from_directory(photos, subset="training", **options)
    val = generator.flow_from_directory(photos, subset="validation", **options)
    history = model.fit(train, validation_data=val, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    assert train.total_batches_seen >= 2 * len(train)


def test_channels_first(photos):
    options = {"target_size": (16, 20), "shuffle": False, "class_mode": None}
    first = ImageDataGenerator(rotation_range=30, data_format="channels_first")
    last = ImageDataGenerator(rotation_range=30)
    one = first.flow_from_directory(photos, seed=1, **options)
    assert one.image_shape == (3, 16, 20)
    np.testing.assert_allclose(
        np.moveaxis(one[0], 1, -1), last.flow_from_directory(photos, seed=1, **options)[0], atol=1e-3
    )


def test_masks_in_another_folder_and_format_stay_paired(make_image_folder, tmp_path):
    images = make_image_folder({"images": 6}, name="a")
    masks = tmp_path / "b" / "masks"
    masks.mkdir(parents=True)
    for number in range(6):
        path = next((images / "images").glob(f"{number:04d}.*"))
        grey = keras.utils.load_img(path, color_mode="grayscale", target_size=(16, 20))
        grey.save(masks / f"{number:04d}_mask.png")
    geometry = {"rotation_range": 40, "zoom_range": 0.3, "vertical_flip": True, "interpolation_order": 0}
    options = {"class_mode": None, "seed": 4, "batch_size": 4, "target_size": (16, 20)}
    pairs = zip(
        ImageDataGenerator(**geometry, brightness_range=(1, 1)).flow_from_directory(images, **options),
        ImageDataGenerator(**geometry).flow_from_directory(masks.parent, color_mode="grayscale", **options),
        strict=True,
    )
    for _ in range(4):
        image, mask = next(pairs)
        luma = image @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(luma, mask[..., 0], atol=1.01)


def test_deep_grey_images_keep_their_values(tmp_path):
    from PIL import Image

    (tmp_path / "scans").mkdir()
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    Image.fromarray(values).save(tmp_path / "scans" / "a.png")
    generator = ImageDataGenerator(horizontal_flip=True, brightness_range=(1.0, 1.0))
    image = generator.flow_from_directory(tmp_path, (6, 8), "grayscale", class_mode=None, seed=1)[0][0, ..., 0]
    assert image.tolist() in (values.tolist(), values[:, ::-1].tolist())
