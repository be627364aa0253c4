import hashlib

import numpy as np

from keras_ext.image_checks import measured
from keras_ext.image_facts import FACTS, ImageFact, contents_of, facts_of
from keras_ext.image_file import ImageInfo
from keras_ext.near_duplicates import fingerprints


def fact(number, thumbnail=None, content=None):
    digest = hashlib.sha256(str(number if content is None else content).encode()).hexdigest()
    return ImageFact(number, number % 3, "webp", ImageInfo("png", 100 + number, 50, 3), digest, 7_000, thumbnail)


def test_every_field_arrives():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    facts = facts_of([fact(4), fact(5, picture)])
    assert facts.dtype == FACTS
    assert facts["record"].tolist() == [4, 5]
    assert facts["split"].tolist() == [1, 2]
    assert facts["format"].tolist() == [b"webp", b"webp"]
    assert facts["width"].tolist() == [104, 105]
    assert facts["height"].tolist() == [50, 50]
    assert facts["size"].tolist() == [7_000, 7_000]
    assert facts["digest"][1].tobytes().hex() == fact(5).digest
    assert np.isnan(facts["measures"][0]).all()
    assert np.array_equal(facts["measures"][1:], measured([picture]))
    hashes, pictures = fingerprints([picture])
    assert (facts["hash"].tolist(), facts["picture"][0].any()) == ([0, hashes[0]], False)
    assert np.array_equal(facts["picture"][1], pictures[0])


def test_no_images():
    assert facts_of([]).shape == (0,)
    assert contents_of(facts_of([])).tolist() == []


def test_contents_count_in_the_order_of_the_images():
    facts = facts_of([fact(number, content=content) for number, content in enumerate("abacb")])
    assert contents_of(facts).tolist() == [0, 1, 0, 2, 1]
