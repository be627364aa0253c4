import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext import ImageDataGenerator

pd = pytest.importorskip("pandas")
KerasGenerator = tf.keras.preprocessing.image.ImageDataGenerator


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"all": 10}) / "all"


@pytest.fixture
def table(photos):
    return pd.DataFrame(
        {
            "filename": sorted(path.name for path in photos.iterdir()),
            "class": ["cat", "dog"] * 5,
            "mixed": [1, "cat"] * 5,
            "several": [["cat"], ["cat", "dog"], ("owl",), "dog", ["dog"]] * 2,
            "age": np.arange(10.0),
            "size": np.arange(10) * 2,
            "box": [np.arange(3) + i for i in range(10)],
            "weight": np.linspace(0.5, 2, 10),
        }
    )


def flow(table, photos, **options):
    options = {"target_size": (16, 20), "batch_size": 4, "shuffle": False, **options}
    split = options.pop("validation_split", 0.0)
    return ImageDataGenerator(validation_split=split).flow_from_dataframe(table, photos, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_mode": "sparse"},
        {"class_mode": "binary", "weight_col": "weight"},
        {"class_mode": "binary", "classes": ["dog", "cat"]},
        {"y_col": "several"},
        {"y_col": "several", "classes": ["owl", "cat"]},
        {"class_mode": "input", "y_col": None, "weight_col": "weight"},
        {"class_mode": "raw", "y_col": "age"},
        {"class_mode": "raw", "y_col": ["age", "size"], "weight_col": "size"},
        {"class_mode": "multi_output", "y_col": ["age", "box"]},
        {"class_mode": "multi_output", "y_col": ["size", "class"]},
        {"class_mode": None, "y_col": None},
    ],
)
def test_the_same_as_keras(table, photos, options):
    # Where a pixel lies exactly between two, Pillow's nearest neighbour is a matter of rounding: not with this size.
    options = {"target_size": (16, 32), "batch_size": 4, "shuffle": False, **options}
    expected = KerasGenerator().flow_from_dataframe(table, str(photos), **options)
    found = ImageDataGenerator().flow_from_dataframe(table, photos, **options)
    assert (found.filenames, found.samples, len(found)) == (expected.filenames, expected.samples, len(expected))
    if hasattr(expected, "class_indices"):
        assert found.class_indices == expected.class_indices
        assert found.classes == found.labels == expected.classes
    for _ in range(len(expected)):
        one, other = next(found), next(expected)
        keras.tree.assert_same_structure(one, other)
        for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("subset", ["training", "validation"])
def test_rows_are_split_in_their_order(table, photos, subset):
    expected = KerasGenerator(validation_split=0.3).flow_from_dataframe(table, str(photos), subset=subset)
    assert flow(table, photos, validation_split=0.3, subset=subset).filenames == expected.filenames


def test_the_index_of_the_table_has_no_meaning(table, photos):
    shuffled = table.iloc[::-1].set_index("age")
    assert flow(shuffled, photos).filenames == table.filename[::-1].tolist()


def test_a_mapping_will_do(photos):
    found = flow({"filename": ["0002.png", "0000.png"], "class": ["a", "b"]}, photos)
    assert (found.filenames, found.classes) == (["0002.png", "0000.png"], [0, 1])


def test_a_row_may_come_twice(photos):
    found = flow({"filename": ["0002.png"] * 5, "class": ["a", "b", "a", "a", "a"]}, photos)
    assert found.samples == 5


def test_absolute_names(table, photos):
    absolute = table.assign(filename=[photos / name for name in table.filename])
    np.testing.assert_array_equal(flow(absolute, None)[0][0], flow(table, photos)[0][0])


def test_missing_files_are_left_out(table, photos):
    (photos / "0003.jpg").unlink()
    (photos / "notes.txt").write_text("no image")
    table.loc[5, "filename"] = "notes.txt"
    with pytest.warns(UserWarning, match="Found 2 invalid.*'0003.jpg': no such file"):
        found = flow(table, photos)
    assert found.samples == 8
    assert found.rejected == [("0003.jpg", "no such file"), ("notes.txt", "no image file")]
    with pytest.warns(UserWarning, match="0003.jpg is left out: no such file"):
        late = flow(table, photos, validate_filenames=False)[0]
    assert len(late[0]) == len(late[1]) == 3


def test_values_stay_with_their_rows(table, photos):
    (photos / "0001.jpg").write_bytes(b"broken")
    found = flow(table, photos, class_mode="raw", y_col="age", weight_col="weight")
    with pytest.warns(UserWarning, match="not an image"):
        images, ages, weights = found[0]
    assert (len(images), ages.tolist()) == (3, [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(weights, table.weight[[0, 2, 3]])
    np.testing.assert_array_equal(found.labels, np.delete(table.age.to_numpy(), 1))
    np.testing.assert_array_equal(found.sample_weight, np.delete(table.weight.to_numpy(), 1))


def test_no_file_is_there(table, tmp_path):
    with pytest.warns(UserWarning, match="Found 10 invalid"), pytest.raises(ValueError, match="No row.*no such file"):
        flow(table, tmp_path)


def test_deprecated_arguments_still_only_warn(table, photos):
    for name in ("has_ext", "sort", "drop_duplicates"):
        with pytest.warns(DeprecationWarning, match=name):
            flow(table, photos, **{name: True})
    with pytest.warns(DeprecationWarning, match="Pass 'raw'"):
        assert flow(table, photos, class_mode="other", y_col="age").class_mode == "raw"


def test_classes_that_mean_nothing(table, photos):
    with pytest.warns(UserWarning, match="classes have no meaning"):
        flow(table, photos, class_mode=None, classes=["cat"])


def test_a_class_that_is_absent(table, photos):
    with pytest.raises(ValueError, match="Did you mean 'dog'"):
        flow(table, photos, classes=["cat", "dgo"])
    with pytest.warns(UserWarning, match="Classes without an image: 'owl'"):
        found = flow(table, photos, classes=["cat", "dog", "owl"])
    assert found[0][1].shape == (4, 3)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"x_col": "file"}, ValueError, "x_col must be one of .*Did you mean 'filename'"),
        ({"y_col": "clas"}, ValueError, "Did you mean 'class'"),
        ({"y_col": None}, TypeError, "y_col must be the name of a column"),
        ({"weight_col": "wieght"}, ValueError, "Did you mean 'weight'"),
        ({"weight_col": "class"}, TypeError, "weight_col='class' must be numeric"),
        ({"y_col": "age"}, TypeError, r"must be strings.*0\.0 in row 0.*astype"),
        ({"y_col": "several", "class_mode": "sparse"}, TypeError, "must be strings. Received"),
        ({"x_col": "age"}, TypeError, "must be strings, names of files"),
        ({"y_col": "age", "class_mode": "multi_output"}, TypeError, "must be a list of columns"),
        ({"y_col": ["class"]}, TypeError, r"y_col must be the name of a column. Received: y_col=\['class'\]"),
        ({"y_col": "mixed", "class_mode": "raw"}, TypeError, "y_col='mixed' .* of type int, str"),
        ({"y_col": "mixed"}, TypeError, "must be strings.*Received: 1 in row 0"),
        ({"y_col": ["age", "class"], "class_mode": "raw"}, TypeError, "all be numbers.*of type float, str"),
        ({"y_col": ["age", "several"], "class_mode": "multi_output"}, TypeError, "arrays of one shape.*of type list"),
        ({"y_col": ["age", "several"], "class_mode": "raw"}, TypeError, "of type float, list"),
        ({"classes": "cat"}, TypeError, "classes must be a list"),
        ({"class_mode": "binary", "classes": ["cat", "dog", "owl"]}, ValueError, "needs two classes. Received: 3"),
        ({"class_mode": "output"}, ValueError, "class_mode must be one of"),
        ({"color_mode": "cmyk"}, ValueError, "color_mode must be one of"),
        ({"subset": "valid"}, ValueError, "Did you mean 'validation'"),
        ({"weights_col": "weight"}, TypeError, "no argument 'weights_col'. Did you mean 'weight_col'"),
    ],
)
def test_bad_arguments(table, photos, arguments, error, message):
    with pytest.raises(error, match=message):
        flow(table, photos, **arguments)


def test_labels_of_mixed_types(table, photos):
    table.loc[3, "class"] = np.nan
    with pytest.raises(TypeError, match="nan in row 3"):
        flow(table, photos)


def test_a_path_is_no_table(photos):
    with pytest.raises(TypeError, match="Received: str. Pass pandas.read_csv"):
        flow("labels.csv", photos)


def test_fit_takes_several_outputs(table, photos):
    image = keras.Input((16, 20, 3))
    features = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(
        image, [keras.layers.Dense(1, name="age")(features), keras.layers.Dense(1, name="size")(features)]
    )
    model.compile("sgd", ["mse", "mse"])
    generator = ImageDataGenerator(rescale=1 / 255)
    options = {"class_mode": "multi_output", "y_col": ["age", "size"], "target_size": (16, 20)}
    history = model.fit(generator.flow_from_dataframe(table, photos, **options), verbose=0).history
    assert np.isfinite(history["loss"][0])
