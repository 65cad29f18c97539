"""The command `scenekit capture`."""

import pytest

from scenekit.errors import InputError
from scenekit.pipelines import capture
from scenekit.pipelines.capture import Config, run


def test_options_reach_the_dataset(tmp_path, monkeypatch):
    asked = {}

    def made(folder, **options):
        asked.update(options)
        return folder

    monkeypatch.setitem(capture.DATASETS, "tabletop", made)
    result = run(Config("tabletop", tmp_path / "cap", photos=5, size=(64, 48), seed=2))
    assert asked == {"photos": 5, "width": 64, "height": 48, "seed": 2}
    assert result.folder == tmp_path / "cap" and result.photos == 5


def test_an_unknown_dataset_is_answered_with_those_that_exist(tmp_path):
    with pytest.raises(InputError, match="tabletop"):
        run(Config("kitchen", tmp_path))
