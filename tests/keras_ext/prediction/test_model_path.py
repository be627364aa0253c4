"""Which SavedModel a path means."""

import pytest

from keras_ext.prediction import find_model


@pytest.fixture
def run(tmp_path):
    for version in ("9", "10", "11", "notes", ".12.partial"):
        (tmp_path / "serving" / version).mkdir(parents=True)
    for version in ("9", "10", "notes", ".12.partial"):
        (tmp_path / "serving" / version / "saved_model.pb").touch()
    return tmp_path


def test_the_newest_version_that_is_there(run):
    newest = str(run / "serving" / "10")
    assert find_model(str(run)) == find_model(str(run / "serving")) == find_model(newest) == newest
    assert find_model(str(run / "serving" / "9")) == str(run / "serving" / "9")


def test_what_is_no_model(run):
    (run / "model.keras").touch()
    with pytest.raises(ValueError, match="There is no SavedModel in .*serving/11'. Pass the output folder of a run"):
        find_model(str(run / "serving" / "11"))
    (run / "empty").mkdir()
    (run / "empty" / "metadata.sqlite").touch()
    with pytest.raises(ValueError, match="The run in .*empty' pushed no model: none was blessed"):
        find_model(str(run / "empty"))
    with pytest.raises(ValueError, match="nowhere', which does not exist"):
        find_model(str(run / "nowhere"))
    with pytest.raises(ValueError, match="model.keras', which is a file. Pass the SavedModel that was exported"):
        find_model(str(run / "model.keras"))


def test_what_trainer_wrote(tmp_path):
    (tmp_path / "metadata.sqlite").touch()
    for number in ("9", "10", "11"):
        (tmp_path / "artifacts" / "Trainer" / "model" / number / "Format-Serving").mkdir(parents=True)
    trained = tmp_path / "artifacts" / "Trainer" / "model" / "10"
    with pytest.raises(ValueError, match="not finished.$"):
        find_model(str(tmp_path))
    for number in ("9", "10"):
        (trained.parent / number / "Format-Serving" / "saved_model.pb").touch()
    with pytest.raises(
        ValueError, match=f"not finished. The model that was trained last is '{trained}/Format-Serving'.$"
    ):
        find_model(str(tmp_path))
    assert find_model(str(trained)) == str(trained / "Format-Serving")
