"""The orientation that a camera noted in a JPEG file, read in the graph, and images turned by it.

A camera stores its sensor's rows and says in an EXIF tag how they lie: 1 upright, 2 mirrored, 3 upside down, 4 both, 5
to 8 the same four with rows and columns exchanged. Exif 2.32, 4.6.5.4; the file format around the tag is TIFF 6.0.
"""

import tensorflow as tf

# EXIF lies within the first few segments, a directory's tags are sorted and few come before this one: the limits are
# there for files made to waste time.
_MOST_SEGMENTS = 64
_MOST_ENTRIES = 64
_ORIENTATION, _SHORT, _LONG = 0x0112, 3, 4
# A segment before it holds up to 64 KiB, a thumbnail or a part of a colour profile; this is room for many.
_NAME, _SEARCHED_BYTES = b"Exif\0\0", 1 << 20
# How most files without EXIF begin: a JFIF segment of 16 bytes, then a table, before which EXIF must lie.
_JFIF, _TABLE, _TABLE_START = b"\xff\xd8\xff\xe0\0\x10", b"\xff\xdb", 20


def exif_orientation(contents: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation of each file, 1 to 8; 1 where a file has none, is no JPEG or holds nonsense.

    It is plain TensorFlow on the few bytes that matter. (`tf.equal`, since `==` compares identities in a graph of
    TensorFlow 1.)

    Args:
      contents: The bytes of image files, strings `(batch,)`.

    Returns:
      int32 `(batch,)`.

    Example:

    >>> exif_orientation(tf.constant([b"no image"])).numpy()
    array([1], dtype=int32)
    """
    tiff = _exif_data(contents)
    byte_order = _words(tiff, 0, 2)
    little_endian = _equal(byte_order, (0x4949, 0x2A00))
    is_tiff = little_endian | _equal(byte_order, (0x4D4D, 0x002A))
    start = _double_words(_words(tiff, 4, 2, little_endian), little_endian)
    directory = _words(tiff, start, 1 + 6 * _MOST_ENTRIES, little_endian)
    orientation = _orientation_in(directory, little_endian)
    return tf.cast(tf.where(is_tiff & (orientation >= 1) & (orientation <= 8), orientation, 1), tf.int32)


def may_have_exif(contents: tf.Tensor) -> tf.Tensor:
    """Returns whether EXIF may be in any of the files, a scalar: it is not, if its name is not in their beginnings.

    Args:
      contents: The bytes of image files, strings `(batch,)`.
    """
    starts = tf.strings.substr(contents, 0, _TABLE_START + len(_TABLE))
    is_jfif = tf.equal(tf.strings.substr(starts, 0, len(_JFIF)), _JFIF)
    tables = tf.strings.substr(tf.strings.join([starts, bytes(_TABLE_START)]), _TABLE_START, len(_TABLE))
    searched = tf.where(is_jfif & tf.equal(tables, _TABLE), 0, _SEARCHED_BYTES)  # a whole photograph takes 25 us
    beginnings = tf.strings.substr(contents, tf.zeros_like(searched), searched)
    return tf.raw_ops.StringSplitV2(input=beginnings, sep=_NAME, maxsplit=1).shape[1] > 1


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns an image as it was seen; orientations 5 to 8 exchange height and width.

    Args:
      image: `(height, width, channels)`.
      orientation: A scalar, 1 to 8, as `exif_orientation` reads it.

    Example:

    >>> upright(tf.constant([[[1], [2]]]), tf.constant(2))[0, :, 0].numpy()
    array([2, 1], dtype=int32)
    """
    return tf.cond(tf.equal(orientation, 1), lambda: image, lambda: _turned(image, orientation))


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    exchanged = tf.cond(orientation < 5, lambda: image, lambda: tf.transpose(image, [1, 0, 2]))
    upside_down = tf.reduce_any(tf.equal(orientation, [3, 4, 7, 8]))
    mirrored = tf.reduce_any(tf.equal(orientation, [2, 3, 6, 7]))
    return tf.reverse(exchanged, tf.where([upside_down, mirrored])[:, 0])


def _exif_data(contents: tf.Tensor) -> tf.Tensor:
    """What the first EXIF segment before the tables of each JPEG file holds; an empty string where there is none."""
    lengths = _lengths(contents)
    is_jpeg = tf.equal(tf.strings.substr(contents, 0, 2), b"\xff\xd8")

    def step(position: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        marker, size, *identifier = tf.unstack(_words(contents, position, 5), axis=-1)
        found = _equal(tf.stack([marker, *identifier], axis=-1), (0xFFE1, 0x4578, 0x6966, 0))  # "Exif", 0, 0
        after = position + tf.where((marker >= 0xFFE0) & (marker < 0xFFFF), 2 + size, 1)  # 1: padding before a marker
        is_table = (marker >= 0xFFC0) & (marker < 0xFFE0)
        ends = found | is_table | (after > lengths)
        return tf.where(ends, lengths, after), tf.where(found, position, exif)

    _, exif = tf.while_loop(
        lambda position, _: tf.reduce_any(position < lengths),
        step,
        (tf.where(is_jpeg, tf.constant(2, tf.int64), lengths), lengths),
        maximum_iterations=_MOST_SEGMENTS,
    )
    size = _words(contents, exif + 2, 1)[:, 0]
    return tf.strings.substr(contents, tf.minimum(exif + 10, lengths), tf.maximum(size - 8, 0))


def _orientation_in(directory: tf.Tensor, little_endian: tf.Tensor) -> tf.Tensor:
    """The value of the tag in a TIFF directory; 0 where it is not there."""
    entries = tf.reshape(directory[:, 1:], [-1, _MOST_ENTRIES, 6])  # tag, type, count (2), value (2)
    tag, kind = entries[..., 0], entries[..., 1]
    count = _double_words(entries[..., 2:4], little_endian[:, tf.newaxis])
    value = tf.where(
        tf.equal(kind, _SHORT), entries[..., 4], _double_words(entries[..., 4:6], little_endian[:, tf.newaxis])
    )
    valid = tf.equal(tag, _ORIENTATION) & (tf.equal(kind, _SHORT) | tf.equal(kind, _LONG)) & tf.equal(count, 1)
    valid &= tf.range(_MOST_ENTRIES, dtype=tf.int64) < directory[:, :1]
    return tf.reduce_max(tf.where(valid, value, 0), axis=1)


def _words(contents: tf.Tensor, position: tf.Tensor, count: int, little_endian: tf.Tensor | None = None) -> tf.Tensor:
    """`count` 16-bit numbers from a byte on, big-endian unless told, as int64 `(batch, count)`; 0 after the end."""
    start = tf.minimum(tf.cast(position, tf.int64), _lengths(contents))
    part = tf.strings.substr(contents, start, tf.fill(tf.shape(start), tf.constant(2 * count, tf.int64)))
    words = tf.io.decode_raw(part, tf.uint16, little_endian=False, fixed_length=2 * count)
    if little_endian is not None:
        swapped = tf.io.decode_raw(part, tf.uint16, little_endian=True, fixed_length=2 * count)
        words = tf.where(little_endian[:, tf.newaxis], swapped, words)
    return tf.cast(words, tf.int64)


def _double_words(words: tf.Tensor, little_endian: tf.Tensor) -> tf.Tensor:
    """Pairs of 16-bit numbers to 32-bit numbers, `(..., 2)` to `(...)`."""
    first, second = words[..., 0], words[..., 1]
    return tf.where(little_endian, second * 65536 + first, first * 65536 + second)


def _equal(words: tf.Tensor, expected: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_all(tf.equal(words, tf.constant(expected, tf.int64)), axis=-1)


def _lengths(contents: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(contents), tf.int64)
