import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.layers import RandomAffine

EVERYTHING = {
    "rotation": 30,
    "height_shift": 0.2,
    "width_shift": 3,
    "shear": 10,
    "zoom": 0.3,
    "horizontal_flip": True,
    "vertical_flip": True,
    "brightness": (0.5, 1.5),
    "channel_shift": 20,
    "seed": 3,
}
NOTHING = {
    **dict.fromkeys(("rotation", "shear", "height_shift", "width_shift"), 0.0),
    **dict.fromkeys(("height_zoom", "width_zoom"), 1.0),
    **dict.fromkeys(("horizontal_flip", "vertical_flip"), False),
}
MANY = np.zeros((2000, 10, 40, 1), np.uint8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def transformation(batch: int = 1, **changes) -> dict[str, tf.Tensor]:
    values = {**NOTHING, **changes}
    return {n: tf.constant([v] * batch, tf.bool if isinstance(v, bool) else tf.float32) for n, v in values.items()}


def drawn(**arguments) -> dict[str, np.ndarray]:
    layer = RandomAffine(seed=1, **arguments)
    return {name: value.numpy() for name, value in layer.get_random_transformation(MANY).items()}


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    assert np.clip(values, low, high).tolist() == values.tolist()
    tenths = np.histogram(values, 10, (low, high))[0]
    assert tenths.min() > 0.07 * len(values), tenths


@pytest.mark.parametrize("name", ["rotation", "shear"])
def test_degrees(name):
    values = drawn(**{name: 20})
    assert_uniform(values.pop(name), -20, 20)
    assert {n: v.tolist() for n, v in values.items()} == {n: [v] * 2000 for n, v in NOTHING.items() if n != name}


@pytest.mark.parametrize("name, side", [("height_shift", 10), ("width_shift", 40)])
def test_shifts_are_fractions_below_one_and_pixels_from_one_on(name, side):
    assert_uniform(drawn(**{name: 0.5})[name], -0.5 * side, 0.5 * side)
    assert_uniform(drawn(**{name: (0.1, 0.3)})[name], 0.1 * side, 0.3 * side)
    assert_uniform(drawn(**{name: 3})[name], -3, 3)
    assert_uniform(drawn(**{name: 1.0})[name], -1, 1)
    assert_uniform(drawn(**{name: (0.5, 4)})[name], 0.5, 4)


def test_shifts_count_in_the_output_size():
    assert_uniform(drawn(height_shift=0.5, size=(100, 7))["height_shift"], -50, 50)


def test_zoom():
    values = drawn(zoom=0.4)
    for name in ("height_zoom", "width_zoom"):
        assert_uniform(values[name], 0.6, 1.4)
    assert abs(np.corrcoef(values["height_zoom"], values["width_zoom"])[0, 1]) < 0.1
    tied = drawn(zoom=(0.5, 3), tie_zoom=True)
    assert_uniform(tied["height_zoom"], 0.5, 3)
    np.testing.assert_array_equal(tied["height_zoom"], tied["width_zoom"])


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip"])
def test_half_of_the_images_are_flipped(name):
    values = drawn(**{name: True})
    assert 900 < values[name].sum() < 1100
    assert not values[{"horizontal_flip": "vertical_flip", "vertical_flip": "horizontal_flip"}[name]].any()


def test_colors_are_drawn():
    values = drawn(brightness=(0.5, 1.5), channel_shift=20)
    assert_uniform(values["brightness"], 0.5, 1.5)
    assert_uniform(values["channel_shift"], -20, 20)


def test_directions():
    dot = np.zeros((1, 9, 9, 1), np.uint8)
    dot[0, 4, 6] = 255  # to the right of the centre

    def place(**changes) -> tuple[int, int]:
        image = RandomAffine().transform_images(dot, transformation(**changes)).numpy()[0, :, :, 0]
        return tuple(map(int, np.unravel_index(image.argmax(), image.shape)))

    assert place(rotation=90.0) == (2, 4)  # counter-clockwise
    assert place(width_shift=3.0) == (4, 3)  # to the left, as in ImageDataGenerator
    assert place(height_shift=3.0) == (1, 6)  # upwards
    assert place(width_zoom=2.0) == (4, 5)  # zooms out
    assert place(horizontal_flip=True) == (4, 2)
    dot = dot.transpose(0, 2, 1, 3)
    assert place(vertical_flip=True) == (2, 4)
    assert place(shear=26.565) == (6, 5)  # what lies lower moves to the right


def test_flip_twice_is_identity():
    images = noise(2, 7, 9, 3)
    flip = transformation(2, horizontal_flip=True, vertical_flip=True)
    layer = RandomAffine()
    np.testing.assert_array_equal(layer.transform_images(layer.transform_images(images, flip), flip), images)


@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect", "wrap"])
def test_zero_ranges_are_identity(fill_mode):
    images = noise(3, 8, 5, 3)
    layer = RandomAffine(fill_mode=fill_mode, cval=9.0)
    np.testing.assert_array_equal(layer(images, training=True), images)


def test_every_image_has_its_own_draw():
    images = np.repeat(noise(1, 16, 16, 3), 8, axis=0)
    augmented = RandomAffine(**EVERYTHING)(images, training=True).numpy()
    assert len(np.unique(augmented.reshape(8, -1), axis=0)) == 8


def test_without_keys_each_call_draws_anew():
    layer = RandomAffine(rotation=20, seed=0)
    first, second = (layer.get_random_transformation(MANY)["rotation"].numpy() for _ in range(2))
    assert np.mean(first == second) < 0.01
    again = RandomAffine(rotation=20, seed=0).get_random_transformation(MANY)["rotation"]
    np.testing.assert_array_equal(again, first)


def test_replay_is_the_same_again():
    images, layer = noise(4, 12, 10, 3), RandomAffine(**EVERYTHING)
    keys = np.arange(4)
    record = layer.get_random_transformation(images, keys=keys, epoch=2)
    np.testing.assert_array_equal(
        layer.transform_images(images, record), layer(images, training=True, keys=keys, epoch=2)
    )


def test_replay_takes_what_was_written_down_as_plain_numbers():
    images, layer = noise(2, 12, 10, 3), RandomAffine(**EVERYTHING)
    record = layer.get_random_transformation(images)
    written = {name: value.numpy().tolist() for name, value in record.items()}
    np.testing.assert_array_equal(layer.transform_images(images, written), layer.transform_images(images, record))


KEYS = np.array([5, -7, 2**62, 11, 0], np.int64)
GOLDEN = {
    "rotation": [5.918, -9.9162, -6.0712, -7.4617, 19.2869],
    "height_shift": [0.7078, 0.7335, 1.0178, -0.4908, -1.2545],
    "width_shift": [-0.0225, 0.4127, -2.9173, 2.5006, -0.3752],
    "shear": [-2.6397, 5.0902, -5.5263, -1.7294, -4.0287],
    "height_zoom": [0.8073, 1.215, 0.7126, 0.8659, 0.9106],
    "width_zoom": [1.146, 0.9733, 0.8892, 1.1714, 1.2985],
    "horizontal_flip": [0.0, 0.0, 0.0, 0.0, 0.0],
    "vertical_flip": [0.0, 1.0, 0.0, 0.0, 1.0],
    "brightness": [0.8112, 0.9857, 0.5048, 0.6939, 1.3333],
    "channel_shift": [6.4606, -15.8246, 4.1784, -7.3689, -5.9228],
}


def test_keys_make_an_image_independent_of_its_batch_and_order():
    images, layer = noise(5, 12, 10, 3), RandomAffine(**EVERYTHING)
    together = layer(images, training=True, keys=KEYS).numpy()
    np.testing.assert_array_equal(layer(images[::-1], training=True, keys=KEYS[::-1].copy()), together[::-1])
    one_by_one = [layer(images[i : i + 1], training=True, keys=KEYS[i : i + 1])[0] for i in range(5)]
    np.testing.assert_array_equal(one_by_one, together)
    np.testing.assert_array_equal(layer(images[1], training=True, keys=KEYS[1]), together[1])


def test_keyed_dataset_equals_eager_with_a_smaller_last_batch_and_several_workers():
    images, layer = noise(5, 12, 10, 3), RandomAffine(**EVERYTHING)
    dataset = tf.data.Dataset.from_tensor_slices((images, KEYS)).batch(2)
    dataset = dataset.map(
        lambda x, keys: layer(x, training=True, keys=keys, epoch=tf.constant(4)), num_parallel_calls=2
    )
    expected = layer(images, training=True, keys=KEYS, epoch=4)
    np.testing.assert_array_equal(np.concatenate(list(dataset)), expected)


def test_keys_give_another_draw_in_another_epoch_and_with_another_seed():
    images = noise(5, 12, 10, 3)

    def rotation(seed: int, epoch: int) -> list[float]:
        layer = RandomAffine(rotation=20, seed=seed)
        return layer.get_random_transformation(images, keys=KEYS, epoch=epoch)["rotation"].numpy().tolist()

    assert rotation(0, 0) == rotation(0, 0)
    assert not set(rotation(0, 0)) & set(rotation(0, 1))
    assert not set(rotation(0, 0)) & set(rotation(1, 0))


def test_golden_draws():
    # The promise of `keys`: the same draw on every machine and version, so also the one of the day this was written.
    values = RandomAffine(**EVERYTHING).get_random_transformation(noise(5, 10, 20, 3), keys=KEYS, epoch=1)
    assert {name: np.round(value.numpy().astype(float), 4).tolist() for name, value in values.items()} == GOLDEN


def test_keys_without_a_seed():
    with pytest.raises(ValueError, match="keys make draws repeatable only together with a seed"):
        RandomAffine(rotation=5)(noise(2, 4, 4, 1), training=True, keys=np.arange(2))


def test_keys_of_another_number_than_images():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        RandomAffine(rotation=5, seed=0)(noise(3, 4, 4, 1), training=True, keys=np.arange(2))


def test_channels_first_is_the_same_transposed():
    images = noise(3, 12, 10, 3)
    last = RandomAffine(**EVERYTHING, size=(6, 8), data_format="channels_last")
    first = RandomAffine(**EVERYTHING, size=(6, 8), data_format="channels_first")
    transposed = images.transpose(0, 3, 1, 2)
    keys = np.arange(3)
    expected = last(images, training=True, keys=keys).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(first(transposed, training=True, keys=keys), expected)
    resized = last(images, training=False).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(first(transposed, training=False), resized)
    assert first.compute_output_shape((None, 3, 12, 10)) == (None, 3, 6, 8)
    assert first.compute_output_shape((3, 12, 10)) == (3, 6, 8)


def test_mixed_precision_looks_up_in_float32():
    # In float16, positions from 1024 on have no fractions, and those from 2048 on are even.
    ramp = np.repeat((np.arange(3000) % 200).astype(np.float32)[np.newaxis, np.newaxis, :, np.newaxis], 2, axis=1)
    exact = RandomAffine().transform_images(ramp, transformation(width_shift=0.5)).numpy()
    half = RandomAffine(dtype="mixed_float16").transform_images(ramp, transformation(width_shift=0.5))
    assert half.dtype == "float16"
    np.testing.assert_array_equal(half, exact.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_kind_of_float_comes_back_in_the_compute_dtype(dtype):
    images = tf.cast(noise(2, 6, 6, 3), dtype)
    augmented = RandomAffine(**EVERYTHING)(images, training=True, keys=np.arange(2))
    assert augmented.dtype == "float32"
    expected = RandomAffine(**EVERYTHING)(noise(2, 6, 6, 3), training=True, keys=np.arange(2))
    np.testing.assert_allclose(augmented, expected, atol=1e-3)


def samples(height: int = 12, width: int = 20) -> dict:
    """A bright block, its mask and its box, twice."""
    images = np.zeros((2, height, width, 3), np.uint8)
    images[:, 3:7, 2:10] = 255
    boxes = np.array([[[2, 3, 10, 7]]] * 2, np.float32)
    return {
        "images": images,
        "segmentation_masks": (images[..., :1] > 0).astype(np.int64) * 7,
        "bounding_boxes": {"boxes": boxes, "labels": np.array([[1], [2]])},
        "labels": np.array([3, 4]),
    }


@pytest.mark.parametrize("size", [None, (24, 30)])
@pytest.mark.parametrize("training", [False, True])
def test_masks_and_boxes_follow_the_image(training, size):
    layer = RandomAffine(rotation=90, width_shift=2, zoom=0.2, horizontal_flip=True, fill_mode="constant", size=size,
                         bounding_box_format="xyxy", seed=1)  # fmt: skip
    inputs = samples()
    outputs = layer(inputs, training=training, keys=np.arange(2))
    images, masks = outputs["images"].numpy(), outputs["segmentation_masks"].numpy()
    assert masks.dtype == np.int64
    assert set(np.unique(masks)) == {0, 7}
    assert ((images[..., 0] > 128) == (masks[..., 0] == 7)).mean() > 0.98
    for mask, (left, top, right, bottom) in zip(
        masks[..., 0], outputs["bounding_boxes"]["boxes"].numpy()[:, 0], strict=True
    ):
        rows, columns = np.nonzero(mask)
        around = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(around, [top, left, bottom, right], atol=1.0)
    np.testing.assert_array_equal(outputs["bounding_boxes"]["labels"], inputs["bounding_boxes"]["labels"])
    np.testing.assert_array_equal(outputs["labels"], inputs["labels"])


def test_dictionary_of_one_image_and_in_a_dataset():
    layer = RandomAffine(rotation=30, horizontal_flip=True, bounding_box_format="rel_xyxy", seed=1)
    inputs, keys = samples(), np.arange(2)
    inputs["segmentation_masks"] = inputs["segmentation_masks"][..., 0]
    inputs["bounding_boxes"]["boxes"] /= [20, 12, 20, 12]
    batch = layer(inputs, training=True, keys=keys)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, keys)).map(lambda x, key: layer(x, training=True, keys=key))
    for i, single in enumerate(dataset):
        expected = keras.tree.map_structure(lambda x, i=i: x[i], batch)
        keras.tree.map_structure(np.testing.assert_array_equal, single, expected)


def test_boxes_stay_float32_in_mixed_precision():
    layer = RandomAffine(bounding_box_format="xyxy", dtype="mixed_float16")
    inputs = samples()
    inputs["bounding_boxes"]["boxes"] += 0.001
    outputs = layer(inputs, training=False)
    assert outputs["images"].dtype == "float16"
    np.testing.assert_array_equal(outputs["bounding_boxes"]["boxes"], inputs["bounding_boxes"]["boxes"])


def test_boxes_need_their_format():
    with pytest.raises(ValueError, match="bounding_boxes need a format"):
        RandomAffine()(samples(), training=True)


def test_functional_model_of_a_dictionary():
    layer = RandomAffine(rotation=10, size=(6, 5), bounding_box_format="xyxy")
    inputs = {
        "images": keras.Input((12, 20, 3), dtype="uint8"),
        "segmentation_masks": keras.Input((12, 20, 1), dtype="int64"),
        "bounding_boxes": {"boxes": keras.Input((1, 4)), "labels": keras.Input((1,), dtype="int64")},
    }
    outputs = layer(inputs)
    assert (outputs["images"].shape, outputs["images"].dtype) == ((None, 6, 5, 3), "float32")
    assert (outputs["segmentation_masks"].shape, outputs["segmentation_masks"].dtype) == ((None, 6, 5, 1), "int64")
    assert outputs["bounding_boxes"]["boxes"].shape == (None, 1, 4)
    shapes = keras.tree.map_structure(lambda x: x.shape, {n: x for n, x in inputs.items() if n != "bounding_boxes"})
    assert layer.compute_output_shape(shapes)["segmentation_masks"] == (None, 6, 5, 1)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_augments_in_a_model_when_it_is_fitted_and_only_then(jit_compile):
    images = np.full((5, 8, 8, 3), 100, np.uint8)
    layer = RandomAffine(brightness=(2.0, 2.0), rotation=20, size=(6, 6), seed=0)
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))
    model.compile(loss="mse", jit_compile=jit_compile)
    assert model.fit(images, np.full((5, 3), 200.0), batch_size=2, verbose=0).history["loss"][0] < 1e-3
    assert model.jit_compile is jit_compile
    np.testing.assert_array_equal(model.predict(images, verbose=0), np.full((5, 3), 100.0))
    np.testing.assert_array_equal(model(images), np.full((5, 3), 100.0))


def test_exported_model_holds_nothing_of_xla(tmp_path):
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(inputs, RandomAffine(**EVERYTHING, size=(4, 4))(inputs))
    model.export(str(tmp_path), verbose=False)
    graph = tf.saved_model.load(str(tmp_path)).signatures["serving_default"].graph.as_graph_def()
    functions = [graph, *graph.library.function]
    assert not any("_XlaMustCompile" in f.attr and f.attr["_XlaMustCompile"].b for f in graph.library.function)
    operations = {node.op for part in functions for node in getattr(part, "node", None) or part.node_def}
    assert not {op for op in operations if "Xla" in op}
    assert "ResizeBilinear" in operations


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"rotation": (20, -20)}, "rotation must be"),
        ({"height_shift": (0.1, 0.2, 0.3)}, "height_shift must be"),
        ({"width_shift": -0.1}, "width_shift must be"),
        ({"shear": 90}, "within (-90, 90). Received: shear=90"),
        ({"zoom": -0.2}, "zoom must be a number in [0, 1) or two positive numbers (low, high). Received: zoom=-0.2."),
        ({"zoom": (1.2, 0.8)}, "Received: zoom=(1.2, 0.8). Pass (0.8, 1.2)."),
        ({"brightness": 0.5}, "brightness must be two numbers of at least 0"),
        ({"channel_shift": (9, 3)}, "Pass (3, 9)."),
        ({"fill_mode": "reflct"}, "Received: fill_mode='reflct'. Did you mean 'reflect'?"),
        ({"interpolation": "bicubic"}, "interpolation must be one of 'nearest', 'bilinear'."),
        ({"size": (0, 5)}, "size must be two integers (height, width) from 1 to 8192. Received: size=(0, 5)."),
        ({"size": 224}, "Received: size=224."),
        ({"value_range": (255, 0)}, "Received: value_range=(255, 0). Pass (0, 255)."),
        ({"value_range": "uint8"}, "value_range must be two numbers (low, high), low < high."),
        ({"bounding_box_format": "XYXY"}, "Did you mean 'xyxy'?"),
        ({"data_format": "channel_last"}, "Did you mean 'channels_last'?"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RandomAffine(**arguments)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(4, 4), (1, 2, 4, 4, 3)])
def test_images_of_another_rank(shape, training):
    with pytest.raises(ValueError, match=re.escape(f"Received: shape={shape}. Give a grey image a channel")):
        RandomAffine()(np.zeros(shape, np.uint8), training=training)


@pytest.mark.parametrize("dtype", ["int32", "int8", "uint16", "int64", "bool"])
def test_integers_other_than_uint8(dtype):
    with pytest.raises(ValueError, match=f"takes uint8 or float images. Received: dtype={dtype}"):
        RandomAffine()(np.zeros((1, 4, 4, 3), dtype), training=True)


def test_uint8_in_another_value_range():
    images = noise(1, 4, 4, 3)
    with pytest.raises(ValueError, match=r"value_range of uint8 images is \(0, 255\)"):
        RandomAffine(brightness=(1, 2), value_range=(0, 1))(images, training=True)
    np.testing.assert_array_equal(RandomAffine(value_range=(0, 1))(images, training=True), images)


def test_one_pixel_and_empty_batch():
    layer = RandomAffine(**EVERYTHING)
    assert layer(np.full((2, 1, 1, 3), 50, np.uint8), training=True).shape == (2, 1, 1, 3)
    assert layer(noise(0, 5, 4, 3), training=True).shape == (0, 5, 4, 3)
    assert layer(noise(0, 5, 4, 3), training=True, keys=np.zeros(0, np.int64)).shape == (0, 5, 4, 3)
