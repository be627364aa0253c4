import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.training import custom_classifier

SHAPE = (8, 6, 3)
MODEL = """
import keras


def build(image_shape, num_classes, width=4, activation="softmax"):
    images = keras.Input(image_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(width, 3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(num_classes, activation=activation)(x))
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "my_model.py").write_text(MODEL)
    return f"{tmp_path}/my_model.py:build"


def ending(*layers, image_shape=SHAPE):
    """A builder of a model that ends with layers."""
    return lambda *_: keras.Sequential([keras.Input(image_shape), keras.layers.Flatten(), *layers])


def test_model_of_a_file_with_its_arguments(file):
    model = custom_classifier(file, SHAPE, 3, arguments={"width": 5}, seed=0)
    assert model.output_shape == (None, 3)
    assert model.layers[2].filters == 5


def test_same_seed_same_weights(file):
    first, again, other = (custom_classifier(file, SHAPE, 3, seed=seed).get_weights() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.01


def test_function_in_place_of_a_file():
    builder = ending(keras.layers.Dense(4, activation="softmax"))
    assert custom_classifier(builder, SHAPE, 4).output_shape == (None, 4)


def test_subclassed_model_of_unknown_shapes():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, activation="softmax")

        def call(self, images):
            return self.dense(keras.ops.mean(keras.ops.cast(images, "float32"), axis=(1, 2)) / 255)

    assert isinstance(custom_classifier(lambda *_: Net(), SHAPE, 2), Net)


def test_mixed_precision_is_probable_enough(file):
    builder = ending(keras.layers.Dense(50, activation="softmax", dtype="float16"))
    assert custom_classifier(builder, SHAPE, 50).output_shape == (None, 50)


class Overflowing(keras.Model):
    """Calculates with images as they come."""

    def call(self, images):
        return keras.ops.softmax(keras.ops.cast(images + images, "float32")[:, 0, 0] / 100)


@pytest.mark.parametrize(
    "builder, message",
    [
        (lambda *_: None, r"must return a keras.Model. Received: NoneType. Is a `return` missing\?"),
        (lambda *_: tf.Module(), r"must return a keras.Model. Received: Module. Import Keras with `import keras`"),
        (ending(keras.layers.Dense(5, activation="softmax")), r"one output of shape \('batch', 3\).*images: \(2, 5\)"),
        (ending(keras.layers.Dense(1, activation="sigmoid")), r"\(2, 1\).* Two classes have two outputs too"),
        (
            lambda *_: keras.Model(images := keras.Input(SHAPE), {"a": images, "b": images}),
            r"Received, for two images: \{'a': \(2, 8, 6, 3\)",
        ),
        (ending(keras.layers.Dense(3)), r"not negative and sum to one. .* logits\? Add keras.layers.Softmax\(\)"),
        (ending(keras.layers.Dense(3, activation="sigmoid")), "not negative and sum to one"),
        (
            ending(keras.layers.Dense(3, "softmax"), keras.layers.Rescaling(float("nan"))),
            r"must give finite numbers. Received: \[nan nan nan\]",
        ),
        (
            ending(keras.layers.Dense(3, activation="softmax"), image_shape=(8, 8, 3)),
            r"take images \('batch', 8, 6, 3\), .*Received: a model of inputs \(None, 8, 8, 3\), which fails",
        ),
        (lambda *_: Overflowing(), "must give the same for uint8 and float32 images"),
    ],
)
def test_model_that_is_no_classifier_of_such_images(builder, message):
    with pytest.raises(ValueError, match=message):
        custom_classifier(builder, SHAPE, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"widht": 5}, "Received: argument of .*='widht'. Did you mean 'width'"),
        ({"width": -1}, r"failed for image_shape=\(8, 6, 3\), num_classes=3, arguments=\{'width': -1\}: ValueError"),
    ],
)
def test_arguments_that_the_function_does_not_take(file, arguments, message):
    with pytest.raises(ValueError, match=message):
        custom_classifier(file, SHAPE, 3, arguments=arguments)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "must define 'build'. It defines no function and no class"),
        ("def build(classes): pass", r"must take two arguments.*Received: a function .*\(classes\): too many"),
        ("def build(shape, classes, *, depth): pass", "missing a required (keyword-only )?argument: 'depth'"),
        ("build = 7", "must be a function .*Received: int"),
        (
            "import keras\nbuild = keras.Sequential([keras.layers.Dense(3)])",
            "Received: Sequential. A finished model is put inside such a function",
        ),
        ("import keras_core_not_there", "cannot be run: ModuleNotFoundError in line 1"),
    ],
)
def test_file_that_defines_no_model(tmp_path, text, message):
    (tmp_path / "my_model.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        custom_classifier(f"{tmp_path}/my_model.py:build", SHAPE, 3)
