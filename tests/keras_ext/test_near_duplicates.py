import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from keras_ext.image_checks import thumbnail_of
from keras_ext.image_file import decodable_image
from keras_ext.near_duplicates import fingerprints, near_duplicates


def scene(seed, size=(160, 120)):
    """Shapes on a gradient: a picture with an arrangement of its own."""
    generator = np.random.default_rng(seed)
    image = Image.fromarray(generator.integers(0, 256, (4, 5, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    for _ in range(12):
        left, top = generator.integers(0, size[0] - 20), generator.integers(0, size[1] - 20)
        colour = tuple(generator.integers(0, 256, 3).tolist())
        image.paste(colour, (left, top, left + int(generator.integers(8, 50)), top + int(generator.integers(8, 40))))
    return image


def saved(image, image_format="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def groups_of(*images, most_bits=6):
    thumbnails = [
        thumbnail_of(decodable_image(one if isinstance(one, bytes) else saved(one), least_side=64)) for one in images
    ]
    return near_duplicates(*fingerprints(thumbnails), most_bits)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved(image, "jpeg", quality=40),
        lambda image: image.resize((240, 180), Image.Resampling.BICUBIC),
        lambda image: image.resize((96, 72), Image.Resampling.BICUBIC),
        lambda image: image.convert("L"),
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    ],
    ids=["saved again", "enlarged", "reduced", "grey", "brighter", "less contrast"],
)
def test_what_is_near(change):
    for seed in range(5):
        image = scene(seed)
        assert groups_of(scene(90), image, scene(91), change(image)) == [[1, 3]]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.rotate(90),
        lambda image: Image.eval(image, lambda value: 255 - value),
    ],
    ids=["flipped", "turned", "negative"],
)
def test_what_is_not(change):
    assert groups_of(scene(3), change(scene(3))) == []


def test_different_images_are_not_near():
    assert groups_of(*map(scene, range(60))) == []


def test_the_same_at_another_brightness_is_not_near():
    dark = Image.eval(scene(1), lambda value: 40 + value // 8)
    assert groups_of(dark, Image.eval(dark, lambda value: value + 30)) == [[0, 1]]
    assert groups_of(dark, Image.eval(dark, lambda value: value + 120)) == []


def test_brightness_is_no_part_of_the_hash():
    hashes, _ = fingerprints([np.asarray(scene(seed, (64, 64)).convert("L")) for seed in range(20)])
    assert hashes.max() < 1 << 63


def test_blank_images_show_nothing_that_could_be_the_same():
    assert groups_of(Image.new("L", (70, 70), 9), Image.new("L", (80, 90), 9)) == []


def test_chains_are_one_group_and_groups_are_in_order():
    first, second = scene(1), scene(2)
    images = [second, first, saved(first, "jpeg", quality=60), scene(5), saved(second, "jpeg"), saved(first, "jpeg")]
    assert groups_of(*images) == [[0, 4], [1, 2, 5]]


def test_nothing_is_near_where_that_is_off_and_equal_hashes_where_no_bit_may_differ():
    image = scene(1)
    assert groups_of(image, saved(image, "bmp"), most_bits=-1) == []
    assert groups_of(image, saved(image, "bmp"), most_bits=0) == [[0, 1]]


def brute_force(hashes, most_bits):
    """Groups by comparing all with all; the pictures are the same."""
    groups = [{position} for position in range(len(hashes))]
    for one in range(len(hashes)):
        for other in range(one):
            if bin(hashes[one] ^ hashes[other]).count("1") <= most_bits:
                joined = next(group for group in groups if one in group) | next(g for g in groups if other in g)
                groups = [group for group in groups if not group & joined] + [joined]
    return sorted(sorted(group) for group in groups if len(group) > 1)


@settings(max_examples=100)
@given(
    flips=st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 63), max_size=8)), min_size=1, max_size=30),
    most_bits=st.integers(0, 16),
)
def test_finds_what_comparing_all_with_all_finds(flips, most_bits):
    bases = [0x0123456789ABCDEF, 0xFEDCBA9876543210, 0xF0F0F0F00F0F0F0F, 0]
    hashes = []
    for base, bits in flips:
        value = bases[base]
        for bit in bits:
            value ^= 1 << bit
        hashes.append(value)
    pictures = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (len(hashes), 1, 1))
    assert near_duplicates(np.array(hashes, np.uint64), pictures, most_bits) == brute_force(hashes, most_bits)


def test_equal_hashes_of_different_pictures_are_not_enough():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 16)).astype(np.uint8)
    assert near_duplicates(np.zeros(5, np.uint64), pictures) == []
    assert near_duplicates(np.zeros(5, np.uint64), pictures[[0, 1, 0, 2, 3]]) == [[0, 2]]


def test_many_images_take_seconds_also_where_all_are_the_same():
    generator = np.random.default_rng(0)
    count = 20_000
    pictures = generator.integers(0, 256, (count, 16, 16)).astype(np.uint8)
    start = time.process_time()
    assert near_duplicates(generator.integers(0, 1 << 63, count, np.uint64), pictures) == []
    [group] = near_duplicates(np.full(count, 5, np.uint64), np.broadcast_to(pictures[:1], pictures.shape))
    assert len(group) == count
    assert time.process_time() - start < 20
