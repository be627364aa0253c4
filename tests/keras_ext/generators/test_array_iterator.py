"""The iterator over arrays, and what all iterators do alike."""

import threading

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ext import ImageDataGenerator

X = np.random.default_rng(0).integers(0, 256, (20, 8, 12, 3), np.uint8)
Y = np.arange(20)
AUGMENT = {"rotation_range": 40, "width_shift_range": 0.2, "horizontal_flip": True}


def epochs(flow, count=2):
    """The batches of some epochs, as `fit` reads them."""
    found = []
    for _ in range(count):
        found.append([flow[i] for i in range(len(flow))])
        flow.on_epoch_end()
    return found


def assert_equal(one, other):
    for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_settings_images_come_as_they_are():
    flow = ImageDataGenerator().flow(X, Y, batch_size=8, shuffle=False)
    assert (len(flow), flow.n, flow.batch_size) == (3, 20, 8)
    assert (flow.data_format, flow.dtype) == ("channels_last", "float32")
    assert_equal([flow[0], flow[2]], [(X[:8], Y[:8]), (X[16:], Y[16:])])
    assert flow[0][0].dtype == np.float32
    assert flow[0][0].flags.writeable


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_beyond_the_end(index):
    with pytest.raises(ValueError, match=f"one of 3 batches.*index={index}"):
        ImageDataGenerator().flow(X, batch_size=8)[index]


def test_a_negative_index_counts_from_the_end():
    flow = ImageDataGenerator().flow(X, batch_size=8, shuffle=False)
    assert_equal(flow[-1], X[16:])


def test_a_batch_larger_than_the_data():
    images, labels = ImageDataGenerator(**AUGMENT).flow(X, Y, batch_size=500, shuffle=False).next()
    assert images.shape == X.shape
    assert_equal(labels, Y)


def test_every_epoch_holds_every_image_in_another_order():
    flow = ImageDataGenerator().flow(X, Y, batch_size=8, seed=3)
    orders = [np.concatenate([labels for _, labels in epoch]) for epoch in epochs(flow, 3)]
    assert [sorted(order) for order in orders] == [list(range(20))] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert_equal(flow.index_array, flow._order)


def test_labels_and_images_stay_together():
    images, labels = ImageDataGenerator().flow(X, Y, batch_size=20, seed=1)[0]
    assert_equal(images, X[labels])


def test_a_seed_repeats_everything():
    generator = ImageDataGenerator(**AUGMENT)
    first, again = (epochs(generator.flow(X, Y, batch_size=8, seed=7)) for _ in range(2))
    assert_equal(first, again)
    other = epochs(generator.flow(X, Y, batch_size=8, seed=8))
    assert not np.array_equal(first[0][0][0], other[0][0][0])


def test_numpys_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - that is the one
    generator = ImageDataGenerator(**AUGMENT)
    generator.flow(X, seed=1).next()
    generator.get_random_transform((8, 12, 3), seed=1)
    assert_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 2**70, np.int64(3)])
def test_any_integer_is_a_seed(seed):
    generator = ImageDataGenerator(**AUGMENT)
    assert_equal(generator.flow(X, seed=seed).next(), generator.flow(X, seed=seed).next())


def test_without_a_seed_runs_differ():
    generator = ImageDataGenerator(**AUGMENT)
    assert not np.array_equal(generator.flow(X, shuffle=False)[0], generator.flow(X, shuffle=False)[0])


def test_every_epoch_augments_anew():
    flow = ImageDataGenerator(**AUGMENT).flow(X, batch_size=20, shuffle=False, seed=1)
    (first,), (second,) = epochs(flow)
    assert not np.array_equal(first, second)


def test_asking_again_augments_anew():
    # The tutorial that shows five variants of one image: [flow[0][0][0] for i in range(5)].
    flow = ImageDataGenerator(**AUGMENT).flow(X, batch_size=8, shuffle=False, seed=1)
    variants = [flow[0][0] for _ in range(5)]
    assert len({variant.tobytes() for variant in variants}) == 5


def test_next_has_no_end_and_starts_epochs():
    flow = ImageDataGenerator().flow(X, Y, batch_size=8, seed=3)
    labels, indices = [], []
    for _ in range(6):
        indices.append(flow.batch_index)
        labels.append(flow.next()[1])
    assert indices == [0, 1, 2, 0, 1, 2]
    assert flow.total_batches_seen == 6
    first, second = np.concatenate(labels[:3]), np.concatenate(labels[3:])
    assert sorted(first) == sorted(second) == list(range(20))
    assert first.tolist() != second.tolist()


def test_next_and_index_give_the_same():
    generator = ImageDataGenerator(**AUGMENT)
    one, other = (generator.flow(X, Y, batch_size=8, seed=3) for _ in range(2))
    assert_equal([next(one) for _ in range(6)], [batch for epoch in epochs(other) for batch in epoch])


def test_reset_starts_again():
    flow = ImageDataGenerator().flow(X, Y, batch_size=8, shuffle=False)
    flow.next()
    flow.reset()
    assert_equal(flow.next()[1], Y[:8])


def test_threads_change_nothing():
    generator = ImageDataGenerator(**AUGMENT)
    expected = [generator.flow(X, batch_size=2, seed=1)[i] for i in range(10)]
    flow, found = generator.flow(X, batch_size=2, seed=1), {}

    def read(indices):
        for index in indices:
            found[index] = flow[index]

    threads = [threading.Thread(target=read, args=(range(start, 10, 3),)) for start in (2, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_equal([found[i] for i in range(10)], expected)


def test_threads_that_share_an_iterator_miss_nothing():
    flow = ImageDataGenerator().flow(X, Y, batch_size=3, seed=1)
    seen = []

    def read():
        for _ in range(len(flow)):
            seen.extend(flow.next()[1].tolist())

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(list(range(20)) * 6)


def test_what_is_read_ahead_is_what_is_asked_for():
    generator = ImageDataGenerator(**AUGMENT)
    flow = generator.flow(X, batch_size=2, seed=1)
    flow[0], flow[1]
    assert sorted(draw.batch for draw in flow._ahead) == [2, 3]
    expected = generator.flow(X, batch_size=2, seed=1)
    assert_equal([flow[3], flow[2]], [expected[3], expected[2]])
    assert not flow._ahead
    flow[0], flow[1]
    old = list(flow._ahead)
    flow.on_epoch_end()
    assert len(old) == 2
    assert not flow._ahead


def test_a_draw_belongs_to_an_image_and_its_epoch_whatever_the_batch():
    generator = ImageDataGenerator(**AUGMENT)
    expected = generator.flow(X, batch_size=20, shuffle=False, seed=3)[0]
    for images, labels in epochs(generator.flow(X, Y, batch_size=8, seed=3), 1)[0]:
        np.testing.assert_allclose(images, expected[labels], atol=1e-3)


def test_two_flows_of_one_seed_stay_paired():
    masks = X[..., :1]
    images = ImageDataGenerator(**AUGMENT, fill_mode="reflect").flow(X, seed=9, batch_size=8)
    # The masks have another number of channels, and other settings beside the common ones.
    paired = ImageDataGenerator(**AUGMENT, fill_mode="reflect", samplewise_center=False, dtype="float64", rescale=1.0)
    for image, mask in zip(epochs(images), epochs(paired.flow(masks, seed=9, batch_size=8)), strict=True):
        for one, other in zip(image, mask, strict=True):
            np.testing.assert_allclose(one[..., :1], other, atol=1e-3)


def test_colour_does_not_disturb_the_pairing():
    images = ImageDataGenerator(**AUGMENT, brightness_range=(0.2, 0.9), channel_shift_range=5.0)
    plain = ImageDataGenerator(**AUGMENT)
    changed, same = images.flow(X, seed=9)[0], plain.flow(X, seed=9)[0]
    # Dark pixels stay where they are: what is zero without a channel shift was zero.
    layer, other = (generator.random_transform_layer((0.0, 255.0)) for generator in (images, plain))
    drawn = layer.get_random_transformation(X, keys=np.arange(20), epoch=4)
    for name, values in other.get_random_transformation(X, keys=np.arange(20), epoch=4).items():
        np.testing.assert_array_equal(values, drawn[name])
    assert changed.mean() < same.mean()


def test_validation_is_the_first_part_and_not_augmented():
    generator = ImageDataGenerator(**AUGMENT, validation_split=0.25)
    labels = np.arange(20) % 5
    validation = generator.flow(X, labels, subset="validation", shuffle=False)
    assert_equal(validation[0], (X[:5], labels[:5]))
    training = generator.flow(X, labels, subset="training", shuffle=False)
    assert (training.n, training[0][1].tolist()) == (15, labels[5:].tolist())
    assert not np.array_equal(training[0][0], X[5:])


def test_sorted_labels_cannot_be_split():
    generator = ImageDataGenerator(validation_split=0.5)
    labels = np.repeat([0, 1], 10)
    with pytest.raises(ValueError, match="different number of classes.*ignore_class_split=True"):
        generator.flow(X, labels, subset="training")
    assert generator.flow(X, labels, subset="training", ignore_class_split=True).n == 10


def test_validation_needs_a_split():
    with pytest.raises(ValueError, match="needs a validation_split"):
        ImageDataGenerator().flow(X, subset="validation")
    with pytest.raises(ValueError, match="subset='validation' and validation_split=0.01"):
        ImageDataGenerator(validation_split=0.01).flow(X, subset="validation")


def test_other_inputs_and_weights():
    ages, boxes = np.arange(20.0), np.arange(60).reshape(20, 3)
    flow = ImageDataGenerator(validation_split=0.1).flow(
        (X, [ages, boxes]), Y, 8, False, np.arange(20) + 1, subset="training", ignore_class_split=True
    )
    inputs, labels, weights = flow.next()
    assert isinstance(inputs, list)
    assert_equal([*inputs, labels, weights], [X[2:10], ages[2:10], boxes[2:10], Y[2:10], np.arange(3, 11)])
    assert isinstance(flow[0][0], tuple)


def test_fit_takes_several_inputs():
    image, age = keras.Input((8, 12, 3)), keras.Input((1,))
    features = keras.layers.Concatenate()([keras.layers.Flatten()(image), age])
    model = keras.Model([image, age], keras.layers.Dense(1)(features))
    model.compile("sgd", "mse")
    ages = np.arange(20.0).reshape(20, 1) / 20
    generator = ImageDataGenerator(rescale=1 / 255)
    assert np.isfinite(model.fit(generator.flow((X, ages), Y / 20, 8), verbose=0).history["loss"][0])
    expected = model.evaluate([X / 255, ages], Y / 20, verbose=0)
    assert model.evaluate(generator.flow((X, ages), Y / 20, 8), verbose=0) == pytest.approx(expected, rel=1e-3)
    assert model.predict(generator.flow((X, ages), batch_size=8, shuffle=False), verbose=0).shape == (20, 1)


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_sees_every_image_once_an_epoch(workers):
    seen = []

    class Recorder(keras.Model):
        def train_step(self, data):
            seen.extend(data[1].numpy().tolist())
            return {"loss": 0.0}

    model = Recorder()
    model.compile(run_eagerly=True)
    flow = ImageDataGenerator(**AUGMENT).flow(X, Y, batch_size=8, seed=2)
    flow.workers = workers
    model.fit(flow, epochs=2, verbose=0)
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))


def test_processes_are_not_used():
    flow = ImageDataGenerator().flow(X)
    with pytest.warns(UserWarning, match="made by threads"):
        flow.use_multiprocessing = True
    assert flow.use_multiprocessing is False


def test_images_are_saved(tmp_path):
    generator = ImageDataGenerator(**AUGMENT)
    flow = generator.flow(X, batch_size=8, seed=1, save_to_dir=tmp_path / "new", save_prefix="aug", save_format="jpeg")
    flow[0]
    flow.next()
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert len(names) == 16  # asked for twice, augmented differently
    assert all(name.startswith("aug_") and name.endswith(".jpeg") for name in names)
    with Image.open(tmp_path / "new" / names[0]) as image:
        assert image.size == (12, 8)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a positive integer"),
        ({"batch_size": 2.5}, ValueError, r"batch_size=2\.5"),
        ({"seed": "a"}, TypeError, "seed must be an integer"),
        ({"subset": "valid"}, ValueError, "Did you mean 'validation'"),
        ({"y": np.arange(19)}, ValueError, "should have the same length"),
        ({"sample_weight": np.arange(19)}, ValueError, "`sample_weight` should have the same length"),
        ({"x": X[0]}, ValueError, "rank 4.*images"),
        ({"x": X[:0]}, ValueError, "at least one image"),
        ({"x": list(X)}, ValueError, "Pass numpy.stack"),
        ({"x": (X, np.arange(3))}, ValueError, "All of the arrays in `x`"),
        ({"save_to_dir": "unused", "save_format": "jpgg"}, ValueError, "save_format must be an image format"),
        ({"batchsize": 3}, TypeError, r"flow\(\) has no argument 'batchsize'. Did you mean 'batch_size'"),
        ({"workers": 3}, TypeError, "has no argument 'workers'"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator(validation_split=0.2).flow(**{"x": X, **arguments})


def test_two_channels_are_strange():
    with pytest.warns(UserWarning, match="1, 3 or 4 channels.*Received: 2"):
        ImageDataGenerator().flow(X[..., :2])


def test_channels_first():
    generator = ImageDataGenerator(**AUGMENT, samplewise_center=True)
    first = ImageDataGenerator(**AUGMENT, samplewise_center=True, data_format="channels_first")
    images = first.flow(np.moveaxis(X, -1, 1), seed=3)[0]
    np.testing.assert_allclose(np.moveaxis(images, 1, -1), generator.flow(X, seed=3)[0], atol=1e-3)


def test_a_users_function_gets_one_augmented_image_after_another():
    seen = []

    def invert(image):
        seen.append((type(image), image.shape, image.dtype))
        image *= -1
        return image + 255

    generator = ImageDataGenerator(preprocessing_function=invert, rescale=0.5)
    images = generator.flow(X, batch_size=8, shuffle=False)[0]
    assert seen == [(np.ndarray, (8, 12, 3), np.float32)] * 8
    np.testing.assert_allclose(images, (255 - X[:8].astype(np.float32)) / 2)


def test_a_users_function_must_keep_the_shape():
    with pytest.raises(ValueError, match="must return an image of the shape"):
        ImageDataGenerator(preprocessing_function=lambda image: image[:2]).flow(X)[0]
