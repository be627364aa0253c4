import pytest
import tensorflow as tf

from keras_ext.layers.functional_if import functional_if


def half_or_triple(number):
    return functional_if(number % 2 == 0, lambda n: n // 2, lambda n: 3 * n, number)


@pytest.mark.parametrize("number, expected", [(8, 4), (7, 21)])
def test_takes_one_branch_eagerly_and_in_a_graph(number, expected):
    assert half_or_triple(tf.constant(number)) == expected
    assert tf.function(half_or_triple)(tf.constant(number)) == expected
    dataset = tf.data.Dataset.from_tensors(number).map(half_or_triple)
    assert next(iter(dataset)) == expected


def test_the_branch_that_is_not_taken_is_one_operation():
    def long(number):
        for _ in range(100):
            number = tf.math.floormod(number * 3, 101)
        return number

    graph = (
        tf.function(lambda n: functional_if(n > 0, lambda n: n, long, n)).get_concrete_function(tf.constant(1)).graph
    )
    assert len(graph.get_operations()) < 15


def test_its_shape_is_what_the_branches_have_in_common():
    @tf.function
    def rows(number):
        return functional_if(number > 0, lambda n: tf.zeros((2, 3)), lambda n: tf.zeros((5, 3)), number)

    graph = rows.get_concrete_function(tf.constant(1))
    assert graph.structured_outputs.shape.as_list() == [None, 3]
    assert rows(tf.constant(1)).shape == (2, 3)
