"""Labels in TFRecord files, whatever wrote them."""

import pytest
import tensorflow as tf

from keras_ext.class_weights import class_weights
from keras_ext.datasets import apply_class_weights
from tfx_components.class_weights.example_labels import count_example_labels

LABELS = [0, 0, 2, 2, 2, 5]


def feature(value):
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[one.encode() for one in values]))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def write(path, labels, name="image/class/label"):
    options = tf.io.TFRecordOptions("GZIP" if path.suffix == ".gz" else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for label in labels:
            given = {} if label is None else {name: feature(label)}
            example = tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature("..."), **given}))
            writer.write(example.SerializeToString())
    return str(path)


def test_every_file_of_a_pattern_counts_compressed_or_not(tmp_path):
    write(tmp_path / "data-0", LABELS * 200)  # several batches
    write(tmp_path / "data-1.gz", [1, 2])
    assert count_example_labels([str(tmp_path / "*")]) == {0: 400, 1: 1, 2: 601, 3: 0, 4: 0, 5: 200}
    assert count_example_labels([str(tmp_path / "data-1.gz")], num_classes=4) == {0: 0, 1: 1, 2: 1, 3: 0}


@pytest.mark.parametrize(
    "labels",
    [["b", "a", "b"], [1, 0, 1], [1.0, 0.0, 1.0], [[0, 1], [1, 0], [0, 1]], [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]],
)
def test_names_indices_and_one_hot_rows(tmp_path, labels):
    file = write(tmp_path / "data", labels, name="label")
    assert count_example_labels([file], class_names=["a", "b"], label_feature="label") == {0: 1, 1: 2}


@pytest.mark.parametrize(
    "labels, options, message",
    [
        ([0, 1, 2], {"num_classes": 2}, "must be below the number of classes, 2. Received: 2"),
        (["cat", "dgo"], {"class_names": ["cat", "dog"]}, "Did you mean 'dog'"),
        (["cat"], {}, "String labels need class_names"),
        ([None, 1], {}, "label_feature must be a feature of every example. .* an example with 'image/encoded'"),
        ([1, None], {}, "Every example must have a label in 'image/class/label', like the first one's: 1 of int64"),
        ([1, [1, 2]], {}, "Every example must have a label"),
        ([1, "cat"], {}, "Every example must have a label"),
        ([], {}, "files must name TFRecord files with examples"),
    ],
)
def test_labels_that_cannot_be_counted_are_refused(tmp_path, labels, options, message):
    with pytest.raises(ValueError, match=message):
        count_example_labels([write(tmp_path / "data", labels)], **options)


def test_one_line_weighs_in_a_stock_trainers_run_fn(tmp_path):
    files = [write(tmp_path / "data-0.gz", [0, 0, 0, 1]), write(tmp_path / "data-1.gz", [0, 2])]
    weights = class_weights(count_example_labels(files, num_classes=3))
    train = tf.data.Dataset.from_tensors((tf.zeros([3, 2, 2, 3]), tf.constant([0, 1, 2])))
    [(_, _, of_images)] = apply_class_weights(train, weights)
    assert of_images.numpy().tolist() == [0.5, 2.0, 2.0]


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="files must name TFRecord files with examples. Received: .*nowhere"):
        count_example_labels([str(tmp_path / "nowhere*")])
