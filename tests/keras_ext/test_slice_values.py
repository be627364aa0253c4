"""Which images make a slice, by the value of a column."""

from keras_ext.slice_values import slice_values


def test_texts_and_few_numbers_are_slices_themselves():
    assert slice_values(["b", "a", "", "a"]) == ["b", "a", "(empty)", "a"]
    assert slice_values(["2", "10", "2"]) == ["2", "10", "2"]


def test_many_numbers_are_cut_at_their_quartiles():
    values = [str(number) for number in range(100)] + [""]
    slices = slice_values(values)
    assert [slices[0], slices[25], slices[99], slices[100]] == [
        "[0, 24.75)",
        "[24.75, 49.5)",
        "[74.25, 99]",
        "(empty)",
    ]
    assert [slices.count(name) for name in dict.fromkeys(slices)] == [25, 25, 25, 25, 1]


def test_a_number_that_is_most_of_them_loses_none():
    values = ["0"] * 90 + [str(number) for number in range(1, 12)]
    assert set(slice_values(values)) == {"[0, 11]"}


def test_one_text_among_many_numbers_makes_all_texts():
    values = [*map(str, range(20)), "unknown"]
    assert slice_values(values) == values
