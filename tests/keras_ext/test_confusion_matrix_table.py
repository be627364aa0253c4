import numpy as np
import pytest

from keras_ext.confusion_matrix_table import confusion_matrix_table


def test_a_line_for_each_true_class():
    assert confusion_matrix_table(np.array([[8.0, 2, 0], [1, 1234567, 0], [0, 0.5, 3]]), ["cat", "dog", "größe"]) == (
        "true class            0            1            2\n"
        "0 cat                 8            2            0\n"
        "1 dog                 1  1.23457e+06            0\n"
        "2 größe               0          0.5            3"
    )


def test_there_must_be_a_name_for_each_class():
    with pytest.raises(ValueError, match="zip"):
        confusion_matrix_table(np.eye(3), ["a", "b"])
