"""What `keras-ext inspect` prints."""

import subprocess
import sys


def inspect(directory):
    command = [sys.executable, "-m", "pipelines.cli", "inspect", str(directory)]
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
        "files.",
    ] in lines
    problems = dict(line.split(": ", 1) for line in result.stdout.splitlines() if line.startswith("dogs/"))
    assert set(problems) == {"dogs/truncated.jpg", "dogs/empty.png", "dogs/text.jpg"}
    assert problems["dogs/empty.png"] == "empty file"


def test_split_folders(make_image_folder):
    directory = make_image_folder({"train": {"a": 3, "b": 2}, "val": {"a": 1, "b": 1}})
    lines = words(inspect(directory).stdout)
    assert ["index", "class", "train", "eval"] in lines
    assert ["0", "a", "3", "1"] in lines


def test_no_tfx_is_loaded(make_image_folder):
    code = (
        "import sys; from pipelines.cli import main; main(sys.argv[1:]);"
        "print(sorted({'tfx', 'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    directory = make_image_folder({"a": 2, "b": 2})
    command = [sys.executable, "-c", code, "inspect", str(directory)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"
