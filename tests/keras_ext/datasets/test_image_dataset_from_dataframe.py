"""Tables of image files: DataFrames, mappings, CSV."""

import csv

import numpy as np
import pandas as pd
import pytest

from keras_ext.datasets import image_dataset_from_dataframe

OPTIONS = {"image_size": (8, 8), "batch_size": 4, "shuffle": False, "with_file_names": True, "verbose": False}


@pytest.fixture
def photos(make_image_folder):
    return make_image_folder({"cats": 6, "dogs": 6})


@pytest.fixture
def table(photos):
    """One row for each image, in no order."""
    paths = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.*g"))
    names = [paths[position] for position in np.random.default_rng(0).permutation(len(paths))]
    return pd.DataFrame({"filename": names, "class": [name.split("/")[0] for name in names]})


def elements(dataset):
    return [np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True)]


def names_of(dataset):
    return [name.decode() for name in elements(dataset)[0]]


def test_rows_stay_in_their_order(photos, table):
    dataset = image_dataset_from_dataframe(table, photos, **OPTIONS)
    names, images, labels = elements(dataset)
    assert [name.decode() for name in names] == table["filename"].tolist()
    assert [dataset.class_names[label] for label in labels] == table["class"].tolist()
    assert images.shape == (12, 8, 8, 3)
    assert dataset.file_paths == [str(photos / name) for name in table["filename"]]


def test_absolute_paths_need_no_directory(photos, table):
    expected = names_of(image_dataset_from_dataframe(table, photos, **OPTIONS))
    table["filename"] = [str(photos / name) for name in table["filename"]]
    assert names_of(image_dataset_from_dataframe(table, **OPTIONS)) == expected
    assert names_of(image_dataset_from_dataframe(table, photos, **OPTIONS)) == expected


@pytest.mark.parametrize("kind", ["csv", "mapping"])
def test_other_tables(photos, table, kind):
    renamed = table.rename(columns={"filename": "file", "class": "animal"})
    given = renamed.to_dict("list")
    if kind == "csv":
        given = photos / "photos.csv"
        renamed.to_csv(given, index=False, quoting=csv.QUOTE_ALL)
    directory = None if kind == "csv" else photos
    dataset = image_dataset_from_dataframe(given, directory, "file", "animal", **OPTIONS)
    assert names_of(dataset) == table["filename"].tolist()


def test_weights_splits_and_groups(photos, table):
    table["weight"] = np.linspace(0.5, 2, 12)
    table["part"] = ["train", "val", "test"] * 4
    options = {**OPTIONS, "weight_col": "weight", "split_col": "part"}
    for subset, part in (("training", "train"), ("validation", "val"), ("test", "test")):
        dataset = image_dataset_from_dataframe(table, photos, subset=subset, **options)
        names, _, _, weights = elements(dataset)
        rows = table[table["part"] == part]
        assert [name.decode() for name in names] == rows["filename"].tolist()
        np.testing.assert_allclose(weights, rows["weight"], rtol=1e-6)


def test_groups_stay_in_one_subset(photos, table):
    table["camera"] = [name[-5] for name in table["filename"]]
    train, validation = image_dataset_from_dataframe(
        table, photos, group_col="camera", validation_split=0.5, subset="both", **OPTIONS
    )
    groups = [{name[-5] for name in names_of(data)} for data in (train, validation)]
    assert not groups[0] & groups[1]
    assert all(groups)


def test_stratified_is_exact(photos, table):
    _, validation = image_dataset_from_dataframe(
        table, photos, validation_split=0.34, subset="both", split_strategy="stratified", **OPTIONS
    )
    assert sorted(name.split("/")[0] for name in names_of(validation)) == ["cats"] * 2 + ["dogs"] * 2


def test_without_labels(photos, table):
    dataset = image_dataset_from_dataframe(table[["filename"]], photos, y_col=None, **OPTIONS)
    names, images = elements(dataset)
    assert len(names) == len(images) == 12
    assert dataset.class_names is None


def test_integer_labels_are_names(photos, table):
    table["class"] = table["class"].map({"cats": 7, "dogs": 3})
    dataset = image_dataset_from_dataframe(table, photos, **OPTIONS)
    assert dataset.class_names == ["3", "7"]
    assert [int(dataset.class_names[label]) for label in elements(dataset)[2]] == table["class"].tolist()


def test_rows_that_cannot_be_used(photos, table):
    table.loc[0, "class"] = None
    missing = table.loc[3, "filename"]
    (photos / missing).unlink()
    with pytest.warns(UserWarning, match=r"2 of 12 files cannot be used: .*\(no such file\)"):
        dataset = image_dataset_from_dataframe(table, photos, **OPTIONS)
    assert dict(dataset.rejected) == {table.loc[0, "filename"]: "no label", missing: "no such file"}
    assert names_of(dataset) == table["filename"].drop([0, 3]).tolist()


def test_all_files_are_missing(tmp_path, table):
    with pytest.raises(ValueError, match=r"No image can be used: 12 were found, and rejected: .*no such file"):
        image_dataset_from_dataframe(table, tmp_path / "elsewhere", **OPTIONS)


@pytest.mark.parametrize("change, options, message", [
    ({}, {"x_col": "file"}, "x_col must be one of 'filename', 'class'.*Did you mean 'filename'"),
    ({}, {"y_col": "klass"}, "y_col must be one of.*Did you mean 'class'"),
    ({}, {"weight_col": "weight"}, "weight_col must be one of"),
    ({"class": [1, "a"] * 6}, {}, "all of one type. Received: y_col='class' with int such as 1, text such as 'a'"),
    ({"class": [["a"]] * 12}, {}, "with list such as"),
    ({"w": ["heavy"] * 12}, {"weight_col": "w"}, "the weight must be a number.*'heavy'"),
    ({"w": [-1.0] * 12}, {"weight_col": "w"}, "the weight must be a number that is not negative"),
    ({"part": ["training"] * 12}, {"split_col": "part"}, "the split must be one of train"),
    ({}, {"class_names": ["cats", "birds"]}, "birds"),
    ({}, {"validation_split": 0, "subset": "training"}, "validation_split must be a number between 0 and 1"),
    ({}, {"label_mode": "sparse"}, "label_mode must be one of"),
    ({}, {"color_mode": "gray"}, "Did you mean 'grayscale'"),
])  # fmt: skip
def test_bad_input(photos, table, change, options, message):
    with pytest.raises(ValueError, match=message):
        image_dataset_from_dataframe(table.assign(**change), photos, **{**OPTIONS, **options})


def test_a_column_that_a_file_has_not(photos, table):
    table.to_csv(photos / "photos.csv", index=False)
    with pytest.raises(ValueError, match="photos.csv has no column 'label'. Found: filename, class"):
        image_dataset_from_dataframe(photos / "photos.csv", y_col="label", **OPTIONS)


def test_no_table():
    with pytest.raises(TypeError, match="a DataFrame, or a mapping.*Received: list"):
        image_dataset_from_dataframe([1, 2], **OPTIONS)
