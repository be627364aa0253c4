import hashlib

import numpy as np
import pytest
import tensorflow as tf

from keras_ext.layers.keyed_random import keyed_uniform

WORD = (1 << 64) - 1


def splitmix64(state: int, word: int) -> int:
    z = ((state ^ word) + 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def reference(seed: int, key: int, epoch: int, draw: str) -> float:
    state = seed & WORD
    for word in (epoch & WORD, key & WORD, int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8], "little")):
        state = splitmix64(state, word)
    return (state >> 40) / 2**24


KEYS = [0, 1, 2, -1, 2**62, -(2**63), 2**63 - 1]
GOLDEN = [6567220, 10534034, 6730093, 13701728, 13245107, 13112801, 5448535]


def draws(keys, seed=7, epoch=0, name="rotation") -> np.ndarray:
    return keyed_uniform(seed, tf.constant(keys, tf.int64), epoch, [name])[name].numpy()


@pytest.mark.parametrize("seed, epoch", [(0, 0), (7, 3), (-1, 2**40), (2**70 + 5, 1)])
def test_is_splitmix64(seed, epoch):
    expected = [reference(seed, key, epoch, "rotation") for key in KEYS]
    assert draws(KEYS, seed, epoch).tolist() == expected


def test_golden():
    # What is drawn for a key must never change: trainings are repeated by it, on other machines and versions.
    assert (draws(KEYS) * 2**24).astype(int).tolist() == GOLDEN


def test_each_key_has_its_own_draw_whatever_the_batch_and_order():
    together = draws(KEYS)
    assert [draws([key])[0] for key in KEYS] == together.tolist()
    np.testing.assert_array_equal(draws(KEYS[::-1]), together[::-1])


def test_a_draw_does_not_depend_on_the_others():
    both = keyed_uniform(7, tf.constant(KEYS, tf.int64), 0, ["zoom", "rotation"])
    np.testing.assert_array_equal(both["rotation"], draws(KEYS))
    np.testing.assert_array_equal(both["zoom"], draws(KEYS, name="zoom"))


def test_eager_dataset_and_xla_agree_in_every_bit():
    keys, epoch = tf.constant(KEYS, tf.int64), tf.constant(5, tf.int64)

    def draw(keys, epoch):
        return keyed_uniform(7, keys, epoch, ["rotation"])["rotation"]

    compiled = tf.function(draw, jit_compile=True)(keys, epoch)
    dataset = tf.data.Dataset.from_tensor_slices(keys).batch(2).map(lambda batch: draw(batch, epoch))
    np.testing.assert_array_equal(compiled, draws(KEYS, epoch=5))
    np.testing.assert_array_equal(np.concatenate(list(dataset)), draws(KEYS, epoch=5))


def chi_square(values: np.ndarray, cells: int) -> float:
    counts = np.bincount((values * cells).astype(int), minlength=cells)
    expected = len(values) / cells
    return float((((counts - expected) ** 2) / expected).sum())


@pytest.mark.parametrize("seed, epoch", [(0, 0), (1, 0), (0, 1)])
def test_sequential_keys_draw_uniformly_and_independently(seed, epoch):
    # Chi-square of 1023 degrees of freedom: mean 1023, standard deviation 45.
    keys = np.arange(100_000)
    rotation = draws(keys, seed, epoch).astype(float)
    zoom = draws(keys, seed, epoch, "zoom").astype(float)
    next_epoch = draws(keys, seed, epoch + 1).astype(float)
    assert 830 < chi_square(rotation, 1024) < 1220
    for other in (zoom, next_epoch, np.roll(rotation, 1), draws(keys, seed + 1, epoch).astype(float)):
        pairs = (np.floor(rotation * 32) * 32 + np.floor(other * 32) + 0.5) / 1024
        assert 830 < chi_square(pairs, 1024) < 1220


@pytest.mark.parametrize("keys", [np.zeros(3, np.float32), np.array([b"a"]), np.zeros((2, 1), np.int64), np.int64(1)])
def test_keys_that_are_not_one_integer_for_each_image(keys):
    with pytest.raises(ValueError, match=r"keys must be integers of shape \(batch,\)"):
        keyed_uniform(0, keys, 0, ["rotation"])


def test_epoch_that_is_not_an_integer():
    with pytest.raises(ValueError, match="epoch must be an integer. Received: dtype=float32"):
        keyed_uniform(0, [1], 0.5, ["rotation"])
