"""Images that show the same: re-saved, resized, slightly edited. Found by hashes of what a small picture shows.

The hash is the sign pattern of the 63 lowest frequencies of a 32 × 32 grey picture, against their median, as in
Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010). Few equal bits are no proof, so
the pictures themselves, 16 × 16 pixels, must agree as well.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from keras_ext.image_checks import by_side

BITS: Final = 64
SIDE: Final = 16

_FREQUENCIES = 8
_PICTURE = 32
# cos(π (2x + 1) u / 2n): one row for each frequency u.
_COSINES = np.cos(
    np.pi * (2 * np.arange(_PICTURE) + 1) * np.arange(_FREQUENCIES).reshape(-1, 1) / (2 * _PICTURE)
).astype(np.float32)

_LEAST_CORRELATION = 0.94
_MOST_MEAN_DIFFERENCE = 48  # grey levels
_LEAST_DEVIATION = 4  # grey levels: a blank picture shows nothing that could be the same
_NEIGHBOURS = 128
_ONES = np.array([bin(number).count("1") for number in range(1 << 16)], np.uint8)


def fingerprints(thumbnails: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns what two images are compared by.

    Args:
      thumbnails: Small grey pictures of `keras_ext.image_checks.thumbnail_of`.

    Returns:
      Hashes, uint64 `(n,)`, and pictures, uint8 `(n, 16, 16)`.
    """
    hashes = np.zeros(len(thumbnails), np.uint64)
    pictures = np.zeros((len(thumbnails), SIDE, SIDE), np.uint8)
    for rows, same_side in by_side(thumbnails):
        reduced = _reduced(same_side.astype(np.float32), _PICTURE)
        hashes[rows] = _hashes(reduced)
        pictures[rows] = np.rint(_reduced(reduced, SIDE))
    return hashes, pictures


def _reduced(pictures: np.ndarray, side: int) -> np.ndarray:
    while pictures.shape[1] > side:
        upper, lower = pictures[:, ::2], pictures[:, 1::2]
        pictures = (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4
    return pictures


def _hashes(pictures: np.ndarray) -> np.ndarray:
    frequencies = (_COSINES @ pictures @ _COSINES.T).reshape(-1, BITS)
    bits = frequencies > np.median(frequencies[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False  # the mean, which says how bright it is and not what it shows
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def near_duplicates(hashes: np.ndarray, pictures: np.ndarray, most_bits: int = 6) -> list[list[int]]:
    """Finds groups of images that show the same.

    Two images are linked where their hashes differ in up to `most_bits` bits and their pictures agree; what is linked,
    also by way of others, is one group. Hashes that differ in d bits agree in one of d + 1 parts of them: sorted by
    each part in turn, they are neighbours. So work grows with the number of images and not with its square; only where
    more than 128 images agree in a part are the farther ones not compared with each other.

    Args:
      hashes: uint64 `(n,)`; see `fingerprints`.
      pictures: uint8 `(n, 16, 16)`.
      most_bits: How many bits may differ, up to 16; with -1 nothing is a near duplicate.

    Returns:
      The positions of the images of each group, in rising order, of groups in the order of their first image.

    Example:

    >>> near_duplicates(*fingerprints([picture, other_picture, picture_saved_again]))  # doctest: +SKIP
    [[0, 2]]
    """
    if most_bits < 0 or len(hashes) < 2:
        return []
    parent = np.arange(len(hashes))
    shown = np.flatnonzero(pictures.reshape(len(pictures), -1).std(axis=1) >= _LEAST_DEVIATION)
    for one, other, start in _neighbours(hashes, shown, most_bits):
        difference = hashes[one] ^ hashes[other]
        near = (parent[one] != parent[other]) & (_ones(difference) <= most_bits)
        near &= ~_agree_before(difference, start, most_bits)
        near[near] = _alike(pictures[one[near]], pictures[other[near]])
        if near.any():
            _join(parent, one[near], other[near])
    return _groups(parent)


def _neighbours(hashes: np.ndarray, shown: np.ndarray, most_bits: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yields arrays of pairs of positions whose hashes agree in one part, and the first bit of that part."""
    for start, end in _parts(most_bits):
        turned = hashes[shown]
        turned = (turned << np.uint64(start)) | (turned >> np.uint64((BITS - start) % BITS)) if start else turned
        order = np.argsort(turned, kind="stable")
        sorted_part, positions = turned[order] >> np.uint64(BITS - (end - start)), shown[order]
        rows = np.arange(len(positions))
        for offset in range(1, _NEIGHBOURS + 1):
            rows = rows[: np.searchsorted(rows, len(positions) - offset)]
            rows = rows[sorted_part[rows] == sorted_part[rows + offset]]
            if not len(rows):
                break
            yield positions[rows], positions[rows + offset], start


def _parts(most_bits: int) -> list[tuple[int, int]]:
    """Returns (start, end) of the parts of a hash, one of which agrees where `most_bits` bits differ."""
    edges = [BITS * part // (most_bits + 1) for part in range(most_bits + 2)]
    return list(itertools.pairwise(edges))


def _agree_before(difference: np.ndarray, start: int, most_bits: int) -> np.ndarray:
    """Which pairs were neighbours before, as they agree in an earlier part too."""
    agree = np.zeros(len(difference), bool)
    for first, last in _parts(most_bits):
        if first < start:
            mask = ((1 << (last - first)) - 1) << (BITS - last)
            agree |= (difference & np.uint64(mask)) == 0
    return agree


def _ones(numbers: np.ndarray) -> np.ndarray:
    return _ONES[np.ascontiguousarray(numbers).view(np.uint16)].reshape(-1, 4).sum(axis=1)


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = (some.reshape(len(some), SIDE * SIDE).astype(np.float32) for some in (first, second))
    means = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
    a, b = a - means[0], b - means[1]
    correlation = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return (correlation >= _LEAST_CORRELATION) & (np.abs(means[0] - means[1])[:, 0] <= _MOST_MEAN_DIFFERENCE)


def _join(parent: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Makes one group of each pair's two; afterwards every image points to the first of its group."""
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        roots = [_root(parent, one), _root(parent, other)]
        parent[max(roots)] = min(roots)
    while (parent != parent[parent]).any():
        parent[:] = parent[parent]


def _root(parent: np.ndarray, position: int) -> int:
    while parent[position] != position:
        position = int(parent[position])
    return position


def _groups(parent: np.ndarray) -> list[list[int]]:
    members = np.flatnonzero(np.bincount(parent, minlength=len(parent))[parent] > 1)
    groups: dict[int, list[int]] = {}
    for position in members.tolist():
        groups.setdefault(int(parent[position]), []).append(position)
    return list(groups.values())
