import tensorflow as tf

from keras_ext.datasets import image_keys


def test_keys_never_change():
    # With other keys, a resumed training would go on with other images; both stacks give these.
    expected = [890786845474632389, 925427135981193913, 8702633160968857199]
    assert image_keys(["", "cats/0.png", "a" * 64]).numpy().tolist() == expected


def test_keys_differ_and_are_not_negative():
    keys = image_keys(tf.strings.as_string(tf.range(10_000))).numpy()
    assert len(set(keys)) == 10_000
    assert keys.min() >= 0
    assert keys.max() > 2**62


def test_in_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices(["a", "b", "c"]).batch(2).map(image_keys)
    assert [key for batch in dataset for key in batch.numpy()] == image_keys(["a", "b", "c"]).numpy().tolist()
