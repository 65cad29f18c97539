"""Photos to report: a tiny run end to end, gone on with, and refused."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import plyfile
import pycolmap
import pytest
import torch

from scenekit.capture.saved import read_capture
from scenekit.errors import FileError, InputError
from scenekit.evaluate import photo
from scenekit.fit import FitConfig
from scenekit.io.splat_files import read_splats
from scenekit.pipelines import reconstruct
from scenekit.pipelines.reconstruct import divided, settled
from scenekit.scene import SceneState
from scenekit.viewer import Viewer, ViewerConfig


def test_a_run_leaves_every_file_it_promises(finished: reconstruct.Result) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    promised = "splats.ply cameras.json capture.json colmap metrics.json video.mp4 report.html config.json run.json"
    assert set(promised.split()) | {"checkpoint"} <= names
    assert not [name for name in names if name.startswith(".")]
    assert json.loads((finished.folder / "run.json").read_text())["finished"]


def test_the_splats_on_disk_are_those_that_were_returned(finished: reconstruct.Result) -> None:
    again = read_splats(finished.folder / "splats.ply")
    for name, tensor in finished.splats.tensors().items():
        assert torch.equal(again.tensors()[name], tensor)
    assert len(plyfile.PlyData.read(finished.folder / "splats.ply")["vertex"].data) == len(finished.splats)


def test_every_eighth_photo_is_held_out_and_none_of_them_fitted(
    finished: reconstruct.Result, config: reconstruct.Config
) -> None:
    train, held_out = divided(finished.folder, finished.capture, settled(config))
    assert [view.name for view in held_out] == ["0000.jpg", "0008.jpg"]
    assert len(train) == 7
    assert finished.scores is not None
    assert [row.name for row in finished.scores.views] == ["0000.jpg", "0008.jpg"]


def test_a_hundred_steps_beat_the_best_flat_colour(finished: reconstruct.Result, config: reconstruct.Config) -> None:
    """The mean colour of a photo is the flat image with the least error: PSNR = −10 log10 of the photo's variance."""
    _, held_out = divided(finished.folder, finished.capture, settled(config))
    pixels = [photo(view).reshape(-1, 3) for view in held_out]
    flat = np.mean([-10 * np.log10(float(p.var(0, unbiased=False).mean())) for p in pixels])
    assert finished.scores is not None
    assert finished.scores.psnr > flat


def test_cameras_are_the_true_ones_in_the_frame_of_the_splats(finished: reconstruct.Result, photos: Path) -> None:
    truth = {
        i.name: i.projection_center() for i in pycolmap.Reconstruction(str(photos / "truth" / "colmap")).images.values()
    }
    ours = pycolmap.Reconstruction(str(finished.folder / "colmap"))
    assert len(ours.images) == 9
    for image in ours.images.values():
        np.testing.assert_allclose(image.projection_center(), truth[image.name], atol=1e-9)


def test_metrics_are_the_scores_the_history_and_the_times(finished: reconstruct.Result) -> None:
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert finished.scores is not None
    assert metrics["held_out"]["psnr"] == finished.scores.psnr
    assert metrics["gaussians"] == len(finished.splats)
    assert metrics["history"]["records"][-1][0] == 120
    assert list(metrics["seconds"]) == ["cameras", "photos", "fit", "scores", "video", "report"]


def test_the_turntable_has_the_size_of_the_photos(finished: reconstruct.Result, config: reconstruct.Config) -> None:
    train, _ = divided(finished.folder, finished.capture, settled(config))
    with av.open(str(finished.folder / "video.mp4")) as container:
        shapes = [frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)]
    even = (train[0].height + train[0].height % 2, train[0].width + train[0].width % 2, 3)
    assert shapes == [even] * 4


def test_a_finished_run_is_not_fitted_again(finished: reconstruct.Result, config: reconstruct.Config) -> None:
    before = (finished.folder / "splats.ply").read_bytes()
    again = reconstruct.run(config)
    assert (finished.folder / "splats.ply").read_bytes() == before
    assert again.metrics["history"] == finished.metrics["history"]


def test_an_interrupted_fit_goes_on_to_the_same_splats(
    finished: reconstruct.Result, config: reconstruct.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenekit.fit.trainer import Trainer

    advance = Trainer.advance

    def interrupted(self: Trainer) -> object:
        if self.step == 67:
            raise KeyboardInterrupt
        return advance(self)

    config = replace(config, output=tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "advance", interrupted)
        reconstruct.run(config)
    assert not (tmp_path / "run" / "splats.ply").exists()
    assert "fit" not in json.loads((tmp_path / "run" / "run.json").read_text())["done"]
    result = reconstruct.run(config)
    for name, tensor in finished.splats.tensors().items():
        assert torch.equal(result.splats.tensors()[name], tensor)


def test_other_options_in_the_same_folder_are_refused(finished: reconstruct.Result, config: reconstruct.Config) -> None:
    with pytest.raises(InputError, match=r"fit\.steps was 120, now 31"):
        reconstruct.run(replace(config, fit=FitConfig(steps=31)))


def test_photos_that_are_not_there_leave_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        reconstruct.reconstruct(tmp_path / "nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_quick_preset_takes_a_quarter_of_the_steps_on_small_photos(config: reconstruct.Config) -> None:
    quick = settled(replace(config, preset="quick", max_side=2000, fit=FitConfig(steps=1000)))
    assert (quick.fit.steps, quick.max_side) == (250, 400)
    full = settled(replace(config, max_side=2000, fit=FitConfig(steps=1000)))
    assert (full.fit.steps, full.max_side) == (1000, 2000)


def test_one_seed_reaches_everything_random(config: reconstruct.Config) -> None:
    seeded = settled(replace(config, seed=5))
    assert (seeded.fit.seed, seeded.capture.sfm.seed) == (5, 5)


def test_the_saved_capture_is_the_one_that_was_fitted(finished: reconstruct.Result) -> None:
    again = read_capture(finished.folder)
    for a, b in zip(again.photos, finished.capture.photos, strict=True):
        np.testing.assert_array_equal(a.T_world_cam, b.T_world_cam)


def test_refined_poses_exposures_and_sky_are_in_the_run_and_a_finished_one_stays_as_it_is(
    config: reconstruct.Config, tmp_path: Path
) -> None:
    fitting = replace(config.fit, steps=30, exposure="affine", poses=True, background="sky")
    config = replace(config, output=tmp_path / "run", fit=fitting)
    given = read_capture(reconstruct.run(replace(config, output=tmp_path / "given", fit=FitConfig(steps=1))).folder)
    first = reconstruct.run(config)
    saved = read_capture(first.folder)
    moved = {
        a.name: float(np.abs(a.T_world_cam - b.T_world_cam).max())
        for a, b in zip(given.photos, saved.photos, strict=True)
    }
    assert {name for name, by in moved.items() if by == 0} == {"0000.jpg", "0008.jpg"}  # held out
    assert 0 < max(moved.values()) < 0.2
    assert (first.metrics["exposure"], first.metrics["poses"]) == ("affine", "refined")
    assert "in the exposure of each" in str(first)
    assert len(read_splats(first.folder / "sky.ply")) > 0
    again = read_capture(reconstruct.run(config).folder)
    for a, b in zip(saved.photos, again.photos, strict=True):
        np.testing.assert_allclose(a.T_world_cam, b.T_world_cam, atol=1e-6)


def test_a_watched_run_gives_the_same_splats_shows_them_at_the_end_and_keeps_no_token(
    finished: reconstruct.Result, config: reconstruct.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[SceneState] = []
    monkeypatch.setattr(Viewer, "wait", lambda viewer: shown.append(viewer.session.shown.state))
    viewer = ViewerConfig(port=0, token="a-token-for-this-test", open=False)
    watched = reconstruct.run(replace(config, output=tmp_path / "run", view=True, viewer=viewer))
    assert isinstance(watched, reconstruct.Result)
    for name, tensor in finished.splats.tensors().items():
        assert torch.equal(watched.splats.tensors()[name], tensor)
    assert len(shown) == 1
    assert len(shown[0].splats()) == len(finished.splats)
    assert len(shown[0].photos()) == len(finished.capture.photos)
    assert "a-token" not in (tmp_path / "run" / "config.json").read_text()


def test_several_captures_are_not_watched(config: reconstruct.Config) -> None:
    with pytest.raises(InputError, match="one capture to watch"):
        replace(config, view=True, each=True)
