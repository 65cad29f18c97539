"""A tiny capture and a tiny run on it, made once."""

from pathlib import Path

import pytest

from scenekit.capture import CaptureConfig
from scenekit.datasets.tabletop import capture_tabletop
from scenekit.fit import FitConfig
from scenekit.pipelines import reconstruct


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine small photos of the table, with the true cameras in truth/colmap."""
    folder = tmp_path_factory.mktemp("tabletop") / "photos"
    return capture_tabletop(folder, photos=9, width=96, height=72, samples=1, detail=0.05)


@pytest.fixture(scope="session")
def config(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> reconstruct.Config:
    """A hundred and twenty steps from the true cameras."""
    return reconstruct.Config(
        photos=photos / "truth" / "colmap",
        output=tmp_path_factory.mktemp("runs") / "tiny",
        video_frames=4,
        device="cpu",
        capture=CaptureConfig(images=photos / "images"),
        fit=FitConfig(steps=120),
    )


@pytest.fixture(scope="session")
def finished(config: reconstruct.Config) -> reconstruct.Result:
    """The run."""
    return reconstruct.run(config)
