"""The table of predictions: columns, quotes, and that it is whole."""

import csv
import json
import os

import numpy as np
import pytest

from keras_ext.prediction_table import Prediction, PredictionTable, check_output, write_predictions

CLASSES = ['=cat, "big"', "dog\nsmall", "größe"]
SOME = [
    Prediction.of("=1+1.png", np.array([0.25, 0.7, 0.05], np.float32), CLASSES, "größe"),
    Prediction.of('a "b", c\r.png', np.array([0.5, 0.2, 0.3], np.float32), CLASSES),
    Prediction("broken.jpg", true_label="größe", error="truncated JPEG"),
]


def written(tmp_path, name, **columns):
    write_predictions(str(tmp_path / name), SOME, PredictionTable(CLASSES, **columns))
    assert os.listdir(tmp_path) == [name]
    return (tmp_path / name).read_bytes().decode()


def test_of_names_the_most_probable_class():
    assert (SOME[0].label, SOME[0].probability) == (CLASSES[1], pytest.approx(0.7))
    assert SOME[0].error is None


def test_csv_is_read_back_and_holds_no_formula(tmp_path):
    text = written(tmp_path, "out.csv")
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert rows == [
        ["filename", "label", "probability", "error"],
        ["'=1+1.png", "dog\nsmall", "0.7", ""],
        ['a "b", c\r.png', '\'=cat, "big"', "0.5", ""],
        ["broken.jpg", "", "", "truncated JPEG"],
    ]
    assert text.splitlines()[0] == "filename,label,probability,error"


def test_all_columns(tmp_path):
    text = written(tmp_path, "out.csv", true_labels=True, top=2, all_probabilities=True)
    header, first, _, last = csv.reader(text.splitlines(keepends=True))
    assert header == [
        "filename", "label", "probability", "true_label", "label_2", "probability_2",
        'probability: =cat, "big"', "probability: dog\nsmall", "probability: größe", "error",
    ]  # fmt: skip
    assert first == ["'=1+1.png", "dog\nsmall", "0.7", "größe", '\'=cat, "big"', "0.25", "0.25", "0.7", "0.05", ""]
    assert last == ["broken.jpg", "", "", "größe", *[""] * 5, "truncated JPEG"]


def test_more_ranks_than_classes(tmp_path):
    assert PredictionTable(CLASSES, top=9).columns == [
        "filename", "label", "probability", "label_2", "probability_2", "label_3", "probability_3", "error"
    ]  # fmt: skip
    ranked = PredictionTable(CLASSES, top=9).row(SOME[1])
    assert ranked[3::2][:2] == ["größe", "dog\nsmall"]


def test_json_lines_keep_names_as_they_are(tmp_path):
    rows = [json.loads(line) for line in written(tmp_path, "out.jsonl", true_labels=True).split("\n")[:-1]]
    assert rows == [
        {"filename": "=1+1.png", "label": "dog\nsmall", "probability": 0.7, "true_label": "größe", "error": None},
        {"filename": 'a "b", c\r.png', "label": CLASSES[0], "probability": 0.5, "true_label": None, "error": None},
        {
            "filename": "broken.jpg",
            "label": None,
            "probability": None,
            "true_label": "größe",
            "error": "truncated JPEG",
        },
    ]


def test_probabilities_are_those_of_the_model_again(tmp_path):
    values = np.random.default_rng(0).dirichlet([0.1] * 3, 200).astype(np.float32)
    some = [Prediction.of(f"{number}.png", one, CLASSES) for number, one in enumerate(values)]
    for name in ("out.csv", "out.jsonl"):
        write_predictions(str(tmp_path / name), some, PredictionTable(CLASSES, all_probabilities=True))
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        read = [[float(row[f"probability: {name}"]) for name in CLASSES] for row in csv.DictReader(file)]
    np.testing.assert_array_equal(np.array(read, np.float32), values)
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    read = [[json.loads(line)[f"probability: {name}"] for name in CLASSES] for line in lines]
    np.testing.assert_array_equal(np.array(read, np.float32), values)


def test_a_file_is_whole_or_as_it_was(tmp_path):
    def failing():
        yield SOME[0]
        raise RuntimeError("killed")

    (tmp_path / "out.csv").write_text("earlier")
    with pytest.raises(RuntimeError, match="killed"):
        write_predictions(str(tmp_path / "out.csv"), failing(), PredictionTable(CLASSES))
    assert os.listdir(tmp_path) == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "earlier"


def test_outputs_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="must be one of '.csv', '.jsonl'.*Did you mean '.jsonl'"):
        check_output(str(tmp_path / "out.json"))
    with pytest.raises(ValueError, match="No such folder: .*nowhere"):
        check_output(str(tmp_path / "nowhere" / "out.csv"))
    (tmp_path / "out.csv").touch()
    with pytest.raises(ValueError, match=r"out.csv', which exists"):
        check_output(str(tmp_path / "out.csv"))
    check_output(str(tmp_path / "out.csv"), overwrite=True)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="which exists"):
        check_output(str(tmp_path / "folder.csv"), overwrite=True)
    with pytest.raises(ValueError, match="top must be a positive integer"):
        PredictionTable(CLASSES, top=0)
