import pytest

from keras_ext.file_pattern import check_pattern
from keras_ext.image_input import InputSettings, read_images
from keras_ext.image_listing import Record


@pytest.fixture
def images(tmp_path):
    def make(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(b"not opened by an index")
        return str(tmp_path)

    return make


def read(directory, pattern, **settings):
    return read_images(directory, InputSettings(pattern=pattern, **settings))


def test_label_split_and_group(images):
    folder = images("site-1/train_cat_1.png", "site-2/train_dog_1.png", "site-2/Test_cat_2.png")
    index = read(folder, r"(?P<group>site-\d)/(?P<split>[A-Za-z]+)_(?P<label>[a-z]+)_\d+[.]png")
    assert index.records == (
        Record("site-1/train_cat_1.png", "cat", "train", "site-1"),
        Record("site-2/Test_cat_2.png", "cat", "test", "site-2"),
        Record("site-2/train_dog_1.png", "dog", "train", "site-2"),
    )
    assert (index.class_names, index.given_splits, index.layout) == (("cat", "dog"), ("train", "test"), "pattern")
    assert index.warnings == ("Classes without an image in the split 'test': dog.",)


def test_other_names_are_rejected(images):
    folder = images("cat_1.png", "dog_1.png", "dog_1.png.png", "x/cat_2.png", "notes.txt")
    index = read(folder, r"(?P<label>[a-z]+)_\d+[.]png")
    assert [record.path for record in index.records] == ["cat_1.png", "dog_1.png"]
    assert index.rejected == (
        ("dog_1.png.png", "its name does not match the pattern"),
        ("x/cat_2.png", "its name does not match the pattern"),
    )
    assert (index.found, index.ignored) == (4, 1)


def test_optional_group_and_empty_label(images):
    folder = images("cat_1.png", "dog_p7_1.png", "_1.png")
    index = read(folder, r"(?P<label>[a-z]*)(_(?P<group>p\d))?_\d+[.]png")
    assert [(record.label, record.group) for record in index.records] == [("cat", None), ("dog", "p7")]
    assert index.rejected == (("_1.png", "its name does not match the pattern"),)


def test_extra_columns_are_further_groups(images):
    folder = images("night/cat_1.png", "cat_2.png", "day/dog_1.png")
    index = read(folder, r"((?P<camera>\w+)/)?(?P<label>[a-z]+)_\d[.]png", extra_columns=["camera"])
    assert [(record.path, record.columns) for record in index.records] == [
        ("cat_2.png", ()),
        ("day/dog_1.png", (("camera", "day"),)),
        ("night/cat_1.png", (("camera", "night"),)),
    ]


def test_extra_columns_and_groups_of_the_pattern_must_be_the_same():
    with pytest.raises(ValueError, match=r"pattern group must be one of 'label', 'split', 'group', 'camera'"):
        check_pattern(r"(?P<label>.)(?P<camrea>.)", extra_columns=["camera"])
    with pytest.raises(ValueError, match=r"extra_columns must be one of 'label', 'kamera'.*Did you mean 'kamera'\?"):
        check_pattern(r"(?P<label>.)(?P<kamera>.)", extra_columns=["kamera", "camera"])


def test_groups_without_labels(images):
    index = read(images("p1_a.png", "p2_a.png"), r"(?P<group>p\d)_.*", labelled=False)
    assert index.records == (Record("p1_a.png", None, None, "p1"), Record("p2_a.png", None, None, "p2"))
    assert index.class_names == ()


def test_relative_to_each_of_several_folders(images, tmp_path):
    images("2025/cat_1.png", "2026/dog_1.png")
    index = read_images(
        [str(tmp_path / "2025"), str(tmp_path / "2026")], InputSettings(pattern=r"(?P<label>[a-z]+)_.*")
    )
    assert [(record.path, record.label) for record in index.records] == [
        ("2025/cat_1.png", "cat"),
        ("2026/dog_1.png", "dog"),
    ]


@pytest.mark.parametrize(
    "pattern, match",
    [
        ("(?P<label>", "pattern must be a regular expression"),
        (r"\d+", r"pattern must have a group named label, such as \(\?P<label>"),
        ("(?P<lable>.*)", "Did you mean 'label'"),
    ],
)
def test_pattern_without_meaning_is_refused_early(pattern, match):
    with pytest.raises(ValueError, match=match):
        check_pattern(pattern)
    with pytest.raises(ValueError, match=match):
        InputSettings(pattern=pattern)


def test_pattern_that_matches_nothing(images):
    with pytest.raises(ValueError, match=r"matches no image. It must match a whole path.*found: cat_1.png"):
        read(images("cat_1.png"), r"(?P<label>dog)_.*")


def test_split_that_is_none(images):
    folder = images("holdout_cat_1.png", "train_dog_1.png")
    with pytest.raises(ValueError, match=r"holdout_cat_1.png: the split must be one of train.*Received: 'holdout'"):
        read(folder, r"(?P<split>[a-z]+)_(?P<label>[a-z]+)_.*")


def test_split_of_some_images_only(images):
    folder = images("train_cat_1.png", "dog_1.png")
    with pytest.raises(ValueError, match=r"gives some images a split and others none, such as 'dog_1.png'"):
        read(folder, r"((?P<split>train)_)?(?P<label>cat|dog)_.*")
