import contextlib
import json
import math
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from keras_ext.directory_index import DirectoryIndex, Record
from keras_ext.manifest import read_manifest

FULL = {
    "path": ["x/1.png", "x/2.png", "3.png", "4.png"],
    "label": ["cat", "dog", "cat", "dog"],
    "split": ["train", "Val", "test", "train"],
    "group": ["p1", "", "p2", "p1"],
    "weight": [1, 2.5, "", 1],
}
THREE = FULL["path"][:3]
RECORDS = (
    Record("3.png", "cat", "test", "p2", None),
    Record("4.png", "dog", "train", "p1", 1.0),
    Record("x/1.png", "cat", "train", "p1", 1.0),
    Record("x/2.png", "dog", "eval", None, 2.5),
)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "x").mkdir()
    for name in FULL["path"]:
        (tmp_path / name).write_bytes(b"not opened by an index")
    return tmp_path


def csv_text(table, separator="\n"):
    rows = [list(table), *zip(*table.values(), strict=True)]
    return separator.join(",".join('"' + str(cell).replace('"', '""') + '"' for cell in row) for row in rows)


def read_csv(directory, text, **options):
    (directory / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return DirectoryIndex.from_manifest(directory / "labels.csv", **options)


def refused(match, manifest, **options):
    with pytest.raises(ValueError, match=match):
        DirectoryIndex.from_manifest(manifest, **options)


class TestSources:
    @pytest.mark.parametrize("separator", ["\n", "\r\n"])
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    def test_csv(self, images, separator, start):
        index = read_csv(images, start + csv_text(FULL, separator).encode())
        assert index.records == RECORDS
        assert (index.class_names, index.given_splits) == (("cat", "dog"), ("train", "eval", "test"))
        assert (index.layout, index.directory, index.ignored) == ("manifest", str(images), 0)
        assert index.size_bytes == 4 * len(b"not opened by an index")

    def test_json_lines(self, images):
        rows = [dict(zip(FULL, row, strict=True)) for row in zip(*FULL.values(), strict=True)]
        rows[1].pop("group")
        (images / "a.jsonl").write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")
        assert DirectoryIndex.from_manifest(images / "a.jsonl").records == RECORDS

    def test_parquet(self, images):
        pytest.importorskip("pyarrow")
        table = pd.DataFrame({**FULL, "group": ["p1", None, "p2", "p1"], "weight": [1, 2.5, math.nan, 1]})
        table.to_parquet(images / "a.parquet")
        assert DirectoryIndex.from_manifest(images / "a.parquet").records == RECORDS

    def test_data_frame(self, images):
        table = pd.DataFrame(
            {**FULL, "group": ["p1", None, "p2", "p1"], "weight": [1, 2.5, math.nan, 1]}, index=[7, 7, 9, 9]
        )
        assert DirectoryIndex.from_manifest(table, images).records == RECORDS

    def test_mapping(self, images):
        table = {name: np.array(values, dtype=object) for name, values in FULL.items()}
        assert DirectoryIndex.from_manifest(table, images).records == RECORDS

    def test_absolute_paths_need_no_folder(self, images):
        table = {"path": [str(images / path) for path in FULL["path"]], "label": FULL["label"]}
        index = DirectoryIndex.from_manifest(table)
        assert index.directory == str(images)
        assert [record.path for record in index.records] == sorted(FULL["path"])
        assert index.source.read("3.png") == b"not opened by an index"

    def test_absolute_path_elsewhere(self, images, tmp_path_factory):
        other = tmp_path_factory.mktemp("other") / "1.png"
        other.write_bytes(b"elsewhere")
        index = DirectoryIndex.from_manifest({"path": [str(other), "3.png"], "label": ["a", "b"]}, images)
        assert [record.path for record in index.records] == [str(other), "3.png"]
        assert index.source.read(str(other)) == b"elsewhere"

    def test_other_names_of_columns(self, images):
        table = {"file": FULL["path"], "species": FULL["label"], "split": ["?"] * 4, "site": FULL["group"]}
        columns = {"path": "file", "label": "species", "split": None, "group": "site"}
        index = DirectoryIndex.from_manifest(table, images, columns=columns)
        assert [record.group for record in index.records] == ["p2", "p1", "p1", None]
        assert index.given_splits == ()

    def test_without_labels(self, images):
        index = DirectoryIndex.from_manifest({"path": FULL["path"]}, images, columns={"label": None})
        assert index.class_names == ()
        assert index.records == tuple(Record(path, None) for path in sorted(FULL["path"]))

    @pytest.mark.parametrize(
        "labels, names",
        [
            ([0, 1, 0], ("0", "1")),
            (np.array([10, 2, 10]), ("10", "2")),
            ([1.0, 2.0, 1.0], ("1", "2")),
            ([True, False, True], ("False", "True")),
            ([" a", "a", "a"], (" a", "a")),
            (['a "quoted", name', "two\nlines", "🐈"], ('a "quoted", name', "two\nlines", "🐈")),
        ],
    )
    def test_labels_become_text(self, images, labels, names):
        assert DirectoryIndex.from_manifest({"path": THREE, "label": labels}, images).class_names == names

    @pytest.mark.parametrize("name", ['a "quoted", name', "two\nlines", "🐈", "a\\b", "%s{}"])
    def test_any_class_name_in_csv(self, images, name):
        index = read_csv(images, csv_text({"path": ["3.png", "x/1.png"], "label": [name, "other"]}))
        assert Record("3.png", name) in index.records

    def test_classes_choose_and_order(self, images):
        table = {"path": THREE, "label": ["c", "b", "a"]}
        index = DirectoryIndex.from_manifest(table, images, classes=["c", "a"])
        assert (index.class_names, index.found) == (("c", "a"), 2)
        assert index.warnings == ("Classes that `classes` does not name are left out: b.",)

    def test_two_thousand_classes(self, images):
        paths = [f"{number}.png" for number in range(2000)]
        for path in paths:
            (images / path).write_bytes(b"")
        index = DirectoryIndex.from_manifest({"path": paths, "label": [f"class {path}" for path in paths]}, images)
        assert (len(index.class_names), index.found, index.rejected) == (2000, 2000, ())


class TestRows:
    def test_rows_that_cannot_be_used_are_rejected(self, images):
        rows = "path,label\n3.png,cat\nx/1.png,dog\ngone.png,cat\n,cat\nx/2.png,\nx,dog\n"
        assert read_csv(images, rows).rejected == (
            ("gone.png", "no such file"),
            ("labels.csv: row 4", "no path"),
            ("x", "not a regular file"),
            ("x/2.png", "no label"),
        )

    def test_file_that_is_listed_twice(self, images):
        rows = "path,label\n3.png,cat\nx/1.png,dog\n./3.png,cat\nx/2.png,cat\nx/../x/2.png,dog\n"
        index = read_csv(images, rows)
        assert [record.path for record in index.records] == ["3.png", "x/1.png"]
        assert index.rejected == (
            ("3.png", "listed twice"),
            ("x/2.png", "listed with two labels"),
            ("x/2.png", "listed with two labels"),
        )
        assert index.found == 5

    @pytest.mark.parametrize("path", ["a\0b.png", "\ud800.png", "x" * 5000])
    def test_path_that_cannot_be(self, images, path):
        index = DirectoryIndex.from_manifest({"path": [path, "3.png", "x/1.png"], "label": ["a", "a", "b"]}, images)
        [(shown, reason)] = index.rejected
        assert reason == "no such file"
        assert shown.encode()

    @pytest.mark.parametrize("empty", [None, math.nan, "", pd.NA, pd.NaT, np.float32("nan")])
    def test_empty_cells(self, images, empty):
        table = {"path": ["3.png", "x/1.png", "x/2.png"], "label": ["a", "b", empty], "weight": [empty, 2, 1]}
        index = DirectoryIndex.from_manifest(table, images)
        assert index.rejected == (("x/2.png", "no label"),)
        assert [record.weight for record in index.records] == [None, 2.0]


WITH_MORE_COLUMNS = {**FULL, "camera": ["day", "", "night", None], "age": [31, 4.0, 2.5, float("nan")]}


class TestExtraColumns:
    def test_are_kept_as_texts_without_the_empty_ones(self, images):
        index = DirectoryIndex.from_manifest(WITH_MORE_COLUMNS, images, extra_columns=["age", "camera"])
        assert {record.path: record.columns for record in index.records} == {
            "x/1.png": (("age", "31"), ("camera", "day")),
            "x/2.png": (("age", "4"),),
            "3.png": (("age", "2.5"), ("camera", "night")),
            "4.png": (),
        }

    def test_are_left_out_where_nobody_asks(self, images):
        asked_for_none = DirectoryIndex.from_manifest(WITH_MORE_COLUMNS, images)
        assert asked_for_none.records == RECORDS
        assert asked_for_none.fingerprint == DirectoryIndex.from_manifest(FULL, images).fingerprint

    def test_belong_to_the_fingerprint(self, images):
        before = DirectoryIndex.from_manifest(WITH_MORE_COLUMNS, images, extra_columns=["camera"]).fingerprint
        other = {**WITH_MORE_COLUMNS, "camera": ["day", "", "dusk", None]}
        assert DirectoryIndex.from_manifest(other, images, extra_columns=["camera"]).fingerprint != before
        assert DirectoryIndex.from_manifest(WITH_MORE_COLUMNS, images, extra_columns=["age"]).fingerprint != before

    def test_one_that_is_not_there_is_named(self, images):
        text = csv_text(WITH_MORE_COLUMNS)
        with pytest.raises(ValueError, match=r"extra_columns of labels.csv must be one of .*'camera'.*Did you mean"):
            read_csv(images, text, extra_columns=["camra"])


class TestFingerprint:
    @pytest.mark.parametrize("field, value", [("label", "dog"), ("split", "train"), ("group", "p9"), ("weight", 3)])
    def test_sees_a_change_of_a_row(self, images, field, value):
        table = {name: [*values] for name, values in FULL.items()}
        before = DirectoryIndex.from_manifest(table, images).fingerprint
        assert DirectoryIndex.from_manifest(table, images).fingerprint == before
        table[field][2] = value
        assert DirectoryIndex.from_manifest(table, images).fingerprint != before

    def test_sees_a_change_of_a_file(self, images):
        before = DirectoryIndex.from_manifest(FULL, images).fingerprint
        (images / "3.png").write_bytes(b"other")
        assert DirectoryIndex.from_manifest(FULL, images).fingerprint != before

    def test_does_not_depend_on_the_order_of_rows(self, images):
        reverse = {name: values[::-1] for name, values in FULL.items()}
        fingerprints = {DirectoryIndex.from_manifest(table, images).fingerprint for table in (FULL, reverse)}
        assert len(fingerprints) == 1


class TestBadInput:
    @pytest.mark.parametrize(
        "text, match",
        [
            ("", "labels.csv has no column 'path'"),
            ("path,label\n", "labels.csv has no rows"),
            ("file,label\na,b\n", "has no column 'path'. Found: file, label. Pass columns={'path': ...}"),
            ("path,class\na,b\n", "has no column 'label'. Found: path, class. Pass columns={'label': ...}"),
            ("path,path,label\na,b,c\n", "names a column twice: path, path, label"),
            ("path,label\na,b\nc\n", "line 3: expected 2 columns, found 1"),
            (
                "path,label,split\n1,b,train\n2,b,holdout\n",
                "row 2: the split must be one of train.*Received: 'holdout'",
            ),
            ("path,label,split\n1,b,train\n2,b,\n", "row 2: the split is empty"),
            ("path,label,weight\n1,b,-1\n", "row 1: the weight must be a number that is not negative. Received: '-1'"),
            ("path,label,weight\n1,b,inf\n", "the weight must be a number"),
            ("path,label,weight\n1,b,heavy\n", "the weight must be a number.*Received: 'heavy'"),
            (b"path,label\n\xff\xfe,b\n", "cannot be read: .* Expected UTF-8 text"),
            ("path,label\n3.png,only\n", "fewer than two classes"),
            (f"path,label\n{'x' * 200_000},b\n", "cannot be read: field larger than field limit"),
        ],
    )
    def test_csv(self, images, text, match):
        with pytest.raises(ValueError, match=match):
            read_csv(images, text)

    @pytest.mark.parametrize(
        "text, match",
        [
            ("{", "line 1: Expecting property name"),
            ('{"path": "a", "label": "b"}\n["a", "b"]', "line 2: expected an object such as"),
            ("[" * 100_000, "line 1: "),
        ],
    )
    def test_json_lines(self, images, text, match):
        (images / "a.jsonl").write_text(text)
        refused(match, images / "a.jsonl")

    def test_parquet(self, images):
        pytest.importorskip("pyarrow")
        (images / "a.parquet").write_text("path,label\n")
        refused("a.parquet' cannot be read as Parquet", images / "a.parquet")

    def test_parquet_that_brings_code(self, images):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")

        class Evil(pyarrow.ExtensionType):
            def __init__(self):
                super().__init__(pyarrow.string(), "arrow.py_extension_type")

            def __arrow_ext_serialize__(self):
                return f"cos\nmkdir\n(S'{images / 'executed'}'\ntR.".encode()

        label = pyarrow.ExtensionArray.from_storage(Evil(), pyarrow.array(["a", "b"]))
        parquet.write_table(pyarrow.table({"path": ["x/1.png", "x/2.png"], "label": label}), images / "evil.parquet")
        with contextlib.suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer versions of pyarrow warn that they unpickle nothing
            read_manifest(images / "evil.parquet")
        assert not (images / "executed").exists()

    def test_parquet_without_pyarrow(self, images, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (images / "a.parquet").write_text("")
        refused(
            "a.parquet' needs pyarrow, which is not installed. Install it, or pass a .csv file", images / "a.parquet"
        )

    def test_no_such_file(self, images):
        refused("No such manifest: .*gone.csv", images / "gone.csv")

    def test_other_extension(self, images):
        refused("The extension of a manifest must be one of '.csv', '.jsonl', '.parquet'", images / "a.txt")

    def test_columns(self, images):
        refused("Did you mean 'label'", FULL, directory=images, columns={"lable": "species"})
        refused("has no column 'species'", FULL, directory=images, columns={"label": "species"})
        refused("columns must name the column that holds the path", FULL, directory=images, columns={"path": None})

    def test_relative_paths_without_a_folder(self):
        refused(r"the manifest holds relative paths \('x/1.png'\). Pass directory=", FULL)

    def test_columns_of_different_lengths(self, images):
        refused("of equal length. Received: path 1, label 2", {"path": ["a"], "label": ["b", "c"]}, directory=images)

    def test_what_is_no_table(self, images):
        with pytest.raises(TypeError, match=r"a DataFrame, or a mapping of column names.*Received: list"):
            DirectoryIndex.from_manifest([("a", "b")], images)

    def test_class_absent_from_train(self, images):
        table = {"path": THREE, "label": ["a", "b", "c"], "split": ["train", "train", "test"]}
        refused("Classes without an image in the split 'train': c", table, directory=images)
