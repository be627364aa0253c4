"""What `keras-ext inspect` prints."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from pipelines.cli import main


def inspect(directory, *arguments):
    command = [sys.executable, "-m", "pipelines.cli", "inspect", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def words(text):
    return [line.split() for line in text.splitlines()]


def test_classes_counts_sizes_and_problems(tmp_path, make_image):
    directory = tmp_path / "Bilder (ä)"
    for label, count in (("[red]cats", 3), ("dogs", 2)):
        (directory / label).mkdir(parents=True)
        for number in range(count):
            contents = make_image(label, number, "jpeg", (20 + number, 40))
            (directory / label / f"{number}.jpg").write_bytes(contents)
    whole = make_image("dogs", 9, "jpeg")
    (directory / "dogs" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (directory / "dogs" / "empty.png").touch()
    (directory / "dogs" / "text.jpg").write_text("no image")
    (directory / "dogs" / "notes.txt").touch()
    (directory / "dogs" / ".hidden.jpg").touch()

    result = inspect(directory)
    assert result.returncode == 0
    lines = words(result.stdout)
    assert ["Layout", "<class>/<image>"] in lines
    assert ["0", "[red]cats", "3"] in lines
    assert ["1", "dogs", "2"] in lines
    assert "Width 40, height 20 to 22 (median 21) pixels; jpeg 5\n" in result.stdout
    assert [
        "Found",
        "8",
        "images:",
        "5",
        "can",
        "be",
        "used,",
        "3",
        "cannot.",
        "Ignored",
        "1",
        "other",
        "file.",
    ] in lines
    assert "\nRejected 3 files:\ndogs/" in result.stdout
    problems = dict(line.split(": ", 1) for line in result.stdout.splitlines() if line.startswith("dogs/"))
    assert set(problems) == {"dogs/truncated.jpg", "dogs/empty.png", "dogs/text.jpg"}
    assert problems["dogs/empty.png"] == "empty file"


def test_names_cannot_steer_the_terminal(make_image_folder):
    directory = make_image_folder({"a\nb": 2, "c": 2})
    (directory / "c" / "\x1b[31mred.png").touch()
    printed = inspect(directory).stdout
    assert ["0", r"a\nb", "2"] in words(printed)
    assert "c/\\x1b[31mred.png: empty file" in printed.splitlines()
    assert "\x1b" not in printed


def test_several_folders(make_image_folder):
    one, two = make_image_folder({"one": {"a": 3, "b": 2}, "two": {"b": 1, "c": 4}}), "two"
    printed = inspect(one / "one", str(one / two)).stdout
    assert words(printed)[2:5] == [["0", "a", "3"], ["1", "b", "3"], ["2", "c", "4"]]


def test_damage_is_told_once(make_image_folder, make_image):
    directory = make_image_folder({"a": 2, "b": 2})
    (directory / "a" / "damaged.tif").write_bytes(make_image("a", 0, "tiff")[:50])
    result = inspect(directory)
    assert "a/damaged.tif: " in result.stdout
    assert result.stderr == ""


def test_a_download_says_how_far_it_is(make_image_folder, tmp_path, monkeypatch, capfd):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", make_image_folder({"a": 2, "b": 2})))
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("keras_ext.download._SECONDS_BETWEEN_LINES", 0)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        assert main(["inspect", f"http://127.0.0.1:{server.server_port}/{packed.name}"]) == 0
        server.shutdown()
    assert "Fetched 0.0 of 0.0 MB" in capfd.readouterr().err


def test_images_without_labels_are_told_what_takes_them(tmp_path, make_image):
    (tmp_path / "a.png").write_bytes(make_image("a", 0, "png"))
    message = inspect(tmp_path).stderr
    assert "no class folders" in message
    assert "`keras-ext predict` classifies them" in message


def test_split_folders(make_image_folder):
    directory = make_image_folder({"train": {"a": 3, "b": 2}, "val": {"a": 1, "b": 1}})
    lines = words(inspect(directory).stdout)
    assert ["index", "class", "train", "eval"] in lines
    assert ["0", "a", "3", "1"] in lines


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_archive(make_image_folder, tmp_path, kind):
    packed = shutil.make_archive(str(tmp_path / "packed"), kind, make_image_folder({"a": 3, "b": 2}))
    result = inspect(packed)
    assert (result.returncode, result.stderr) == (0, "")
    assert ["0", "a", "3"] in words(result.stdout)
    assert "Found 5 images: 5 can be used, 0 cannot." in result.stdout


def test_manifest_and_settings(make_image_folder):
    directory = make_image_folder({"a": 3, "b": 2})
    (directory / "labels.csv").write_text("path,kind\na/0000.png,x\nb/0000.png,y\nb/0009.png,y\n")
    lines = inspect(directory / "labels.csv", "--set", "ingest.columns.label=kind").stdout
    assert ["Layout", "manifest"] in words(lines)
    assert "b/0009.png: no such file" in lines.splitlines()
    pattern = inspect(directory, "--set", r"ingest.pattern=./000(?P<label>[01])[.](png|jpg)").stdout
    assert ["0", "0", "2"] in words(pattern)
    assert "a/0002.png: its name does not match the pattern" in pattern.splitlines()


def test_bad_setting(make_image_folder):
    result = inspect(make_image_folder({"a": 1, "b": 1}), "--set", "ingest.pattern=(?P<lable>.*)")
    assert result.returncode == 2
    assert "ingest: pattern group must be one of" in result.stderr
    assert "Did you mean 'label'" in result.stderr


def test_no_tfx_is_loaded(make_image_folder):
    code = (
        "import sys; from pipelines.cli import main; main(sys.argv[1:]);"
        "print(sorted({'tfx', 'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    directory = make_image_folder({"a": 2, "b": 2})
    command = [sys.executable, "-c", code, "inspect", str(directory)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_findings_are_named(make_image_folder):
    directory = make_image_folder({"train": {"a": 6, "b": 6}, "test": {"a": 2, "b": 2}})
    shutil.copy(directory / "train" / "a" / "0000.png", directory / "test" / "b" / "leak.png")
    Image.new("RGB", (60, 60)).save(directory / "train" / "b" / "[red]night.png")
    printed = inspect(directory).stdout
    same = "test/b/leak.png (test) and train/a/0000.png (train)."
    assert f"Warning: 1 group of images of the same bytes lie in several splits: {same}\n" in printed
    assert f"Warning: 1 group of images of the same bytes have different labels: {same}\n" in printed
    lines = words(printed)
    assert ["dark", "1", "train/b/[red]night.png"] in lines
    assert ["low", "information", "1", "train/b/[red]night.png"] in lines
    assert ["exact", "duplicates", "2"] in [line[:3] for line in lines]


def test_checks_are_settings(make_image_folder):
    directory = make_image_folder({"a": 4, "b": 4})
    assert "odd aspect" in inspect(directory, "--set", "ingest.checks.odd_aspect=0.5").stdout
    settings = ("--set", "ingest.checks.odd_aspect=0.5", "--set", "ingest.check_images=false")
    assert "odd aspect" not in inspect(directory, *settings).stdout
    wrong = inspect(directory, "--set", "ingest.checks.drak=1")
    assert wrong.returncode == 2
    assert "Did you mean 'ingest.checks.dark'?" in wrong.stderr
