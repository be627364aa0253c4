import tensorflow as tf

from keras_ext.datasets.dataset_marks import MIXED_LABELS, OVERSAMPLED, marked, marks_of


def test_marks_go_with_a_dataset_wherever_it_goes():
    dataset = marked(marked(tf.data.Dataset.range(6), OVERSAMPLED), MIXED_LABELS)
    made = dataset.map(lambda x: x).batch(2).shuffle(2).repeat(2).prefetch(1)
    options = tf.data.Options()
    options.deterministic = True
    for one in (dataset, made, made.with_options(options), tf.data.Dataset.zip((made, tf.data.Dataset.range(3)))):
        assert marks_of(one) == [MIXED_LABELS, OVERSAMPLED]
    assert sorted(made.unbatch().as_numpy_iterator()) == sorted([*range(6)] * 2)


def test_without_marks():
    assert marks_of(tf.data.Dataset.range(6)) == []
