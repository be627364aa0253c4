"""The command line `keras-ext`. Each command is a module in `pipelines.commands`, loaded when it is asked for."""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from keras_ext import __version__

_DESCRIPTION = "A folder of labelled images becomes a validated, served Keras model."
_WITH_TFX = ("tfx", "apache_beam", "ml_metadata", "tensorflow_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code.

    0: done. 1: failed, with one line that says why. 2: the command line or a setting is wrong, or images are not there.
    3: the model was not blessed. 130: interrupted.
    """
    options = _parsed(arguments)
    if missing := _missing([options.images] if isinstance(options.images, str) else options.images):
        return _fail(missing, 2)
    try:
        command = importlib.import_module(f"pipelines.commands.{options.command}")
        return int(command.main(options))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except ModuleNotFoundError as error:
        return _fail(_how_to_install(options.command, error.name or str(error)))
    except (ImportError, ValueError, OSError) as error:
        return _fail(str(error), 2 if _is_of_settings(error) else 1)


def _fail(message: str, code: int = 1) -> int:
    print(f"keras-ext: {message}", file=sys.stderr)
    return code


def _is_of_settings(error: Exception) -> bool:
    config = sys.modules.get("pipelines.config")  # which commands load, and --help need not wait for
    return config is not None and isinstance(error, config.ConfigurationError)


def _missing(inputs: Sequence[str]) -> str | None:
    """Says which local input is not there, and what is called like it."""
    missing = next((path for path in inputs if "://" not in path and not os.path.lexists(path)), None)
    if missing is None:
        return None
    folder, name = os.path.split(missing.rstrip(os.sep))
    try:
        near = difflib.get_close_matches(name, os.listdir(folder or os.curdir), n=1)
    except OSError:  # nor is the folder
        near = []
    hint = f" Did you mean '{os.path.join(folder, near[0])}'?" if near else ""
    return f"IMAGES must be there. Received: '{missing}', which is not.{hint}"


def _how_to_install(command: str, module: str) -> str:
    package = module.partition(".")[0]
    if package.startswith(_WITH_TFX):
        return (
            f"'{command}' needs TFX, which is not installed here (no module '{module}'). It installs from a lock only: "
            "in a clone of keras-ext, run `make environment` and then .venv/bin/keras-ext."
        )
    return f"'{command}' needs '{package}', which is not installed here: pip install {package}"


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        hint = ". Settings are written --set NAME=VALUE; quote values with spaces" if options.set else ""
        options.refuse(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="keras-ext", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the whole pipeline over a folder of images")
    _add_images(run, several=True)
    run.add_argument("--output", required=True, metavar="OUT", help="folder of everything that the run makes")
    _add_settings(run)
    run.add_argument("--dry-run", action="store_true", help="print the settings and the components, run nothing")
    inspect = commands.add_parser("inspect", help="what is in a folder of images: classes, counts, sizes, problems")
    _add_images(inspect, several=True)
    _add_settings(inspect)
    split = commands.add_parser("split", help="write split folders, as hard links where possible and else as copies")
    _add_images(split)
    split.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder")
    split.add_argument("--ratios", nargs=3, type=float, metavar=("TRAIN", "EVAL", "TEST"), help="shares (0.8 0.1 0.1)")
    split.add_argument("--strategy", choices=("hash", "group", "stratified", "given"), help="the setting ingest.split")
    _add_settings(split)
    preview = commands.add_parser("preview", help="a picture of images and of what augmentation makes of them")
    _add_images(preview)
    preview.add_argument(
        "--output",
        required=True,
        metavar="FILE.png",
        help="the picture, also .pdf, .svg, .jpg; one that exists is replaced",
    )
    _add_settings(preview)
    preview.add_argument("--images", dest="rows", type=int, default=4, metavar="N", help="images to show (4)")
    preview.add_argument("--seed", type=int, help="chooses images and augmentation; by default the setting train.seed")
    _add_predict(commands.add_parser("predict", help="classify images with an exported model: one row for each file"))
    for command in commands.choices.values():
        command.set_defaults(refuse=command.error)  # with its own usage
    return parser


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("model", metavar="MODEL", help="OUT of a run, a folder of versions, or one SavedModel")
    _add_images(predict, several=True, files=True)
    predict.add_argument("--output", metavar="FILE", help="a new .csv or .jsonl file; by default CSV is printed")
    predict.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    predict.add_argument("--top", type=int, default=1, metavar="K", help="columns for the K most probable classes (1)")
    predict.add_argument("--all", action="store_true", help="a column for the probability of each class")
    predict.add_argument("--batch-size", type=int, default=32, metavar="N", help="images a step (32)")
    predict.add_argument(
        "--rounds", type=int, default=0, metavar="N", help="the mean over N versions, by augmentation.layers, too (0)"
    )
    _add_settings(predict)


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE.toml", help="settings; the defaults suffice")
    command.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", help="change one setting; may be repeated"
    )


def _add_images(command: argparse.ArgumentParser, several: bool = False, files: bool = False) -> None:
    command.add_argument(
        "images",
        metavar="IMAGES",
        nargs="+" if several else None,
        help="a folder (<class>/<image> or <split>/<class>/<image>), a zip, tar or tar.gz file, the address of one, "
        "or a manifest (.csv, .jsonl, .parquet)"
        + ("; or several folders" if several else "")
        + ("; or image files" if files else ""),
    )


if __name__ == "__main__":
    sys.exit(main())
