"""nerfstudio where it is installed, else small stand-ins for the classes that our plug-in is built on.

A stand-in has the fields and calls of the real class (nerfstudio 1.1.5) that the plug-in touches, and no more.
"""

import dataclasses
import importlib.util
import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

REAL = importlib.util.find_spec("nerfstudio") is not None

if not REAL:

    class Cameras:
        """nerfstudio/cameras/cameras.py: a batch of cameras, of which slices are batches again."""

        def __init__(self, camera_to_worlds, fx, fy, cx, cy, width, height, distortion_params=None, camera_type=1):
            self.camera_to_worlds, self.distortion_params, self.camera_type = camera_to_worlds, None, camera_type
            self.fx, self.fy, self.cx, self.cy, self.width, self.height = fx, fy, cx, cy, width, height

        def __getitem__(self, rows):
            parts = {name: getattr(self, name)[rows] for name in ("camera_to_worlds", *LENS)}
            return Cameras(**parts)

        def __len__(self):
            return len(self.camera_to_worlds)

    LENS = ("fx", "fy", "cx", "cy", "width", "height")

    @dataclass
    class InstantiateConfig:
        """nerfstudio/configs/base_config.py."""

        _target: type = object

        def setup(self, **options: Any) -> Any:
            return self._target(self, **options)

    @dataclass
    class DataParserConfig(InstantiateConfig):
        data: Path = Path()

    class DataParser:
        def __init__(self, config):
            self.config = config

        def get_dataparser_outputs(self, split="train"):
            return self._generate_dataparser_outputs(split)

    @dataclass
    class SceneBox:
        aabb: torch.Tensor

    @dataclass
    class DataparserOutputs:
        image_filenames: list
        cameras: Cameras
        alpha_color: Any = None
        scene_box: Any = None
        mask_filenames: Any = None
        metadata: dict = field(default_factory=dict)
        dataparser_transform: Any = None
        dataparser_scale: float = 1.0

        def save_dataparser_transform(self, path):
            data = {"transform": self.dataparser_transform.tolist(), "scale": float(self.dataparser_scale)}
            path.write_text(json.dumps(data))

    @dataclass
    class ModelConfig(InstantiateConfig):
        enable_collider: bool = True

    class SplatfactoModel(nn.Module):
        """nerfstudio/models/{base_model,splatfacto}.py, without what we replace."""

        def __init__(self, config, scene_box, num_train_data, seed_points=None, **_):
            super().__init__()
            self.seed_points, self.config = seed_points, config
            self.populate_modules()
            self.device_indicator_param = nn.Parameter(torch.empty(0))

        @property
        def device(self):
            return self.device_indicator_param.device

        def load_state_dict(self, dict, **options):
            count = dict["gauss_params.means"].shape[0]
            for name, param in self.gauss_params.items():
                self.gauss_params[name] = nn.Parameter(torch.zeros((count, *param.shape[1:]), device=self.device))
            super().load_state_dict(dict, **options)

    @dataclass
    class FullImageDatamanagerConfig(InstantiateConfig):
        _target: type = field(default_factory=lambda: FullImageDatamanager)
        dataparser: Any = None
        cache_images_type: str = "float32"
        data: Any = None

    class FullImageDatamanager:
        """nerfstudio/data/datamanagers/full_images_datamanager.py."""

        def __init__(self, config, device="cpu", **_):
            config.dataparser.data = Path(config.data)
            parser = config.dataparser.setup()
            self.train_dataparser_outputs = parser.get_dataparser_outputs(split="train")
            self.train_dataset = self.dataset(self.train_dataparser_outputs)
            self.eval_dataset = self.dataset(parser.get_dataparser_outputs(split="val"))
            self.cached_train = [self.loaded(file) for file in self.train_dataset.image_filenames]
            self.fixed_indices_eval_dataloader = [
                (self.eval_dataset.cameras[i : i + 1], self.loaded(file))
                for i, file in enumerate(self.eval_dataset.image_filenames)
            ]

        @staticmethod
        def dataset(outputs):
            parts = {"cameras": outputs.cameras, "image_filenames": outputs.image_filenames, "metadata": {}}
            return types.SimpleNamespace(**parts, scene_box=outputs.scene_box)

        @staticmethod
        def loaded(file):
            return {"image": torch.from_numpy(np.array(Image.open(file)))}

        def get_training_callbacks(self, attributes):
            return []

    @dataclass
    class VanillaPipelineConfig(InstantiateConfig):
        datamanager: Any = None
        model: Any = None

    class VanillaPipeline(nn.Module):
        """nerfstudio/pipelines/base_pipeline.py."""

        def __init__(self, config, device, test_mode="val", **_):
            super().__init__()
            self.config = config
            self.datamanager = config.datamanager.setup(device=device)
            metadata = self.datamanager.train_dataparser_outputs.metadata
            seeds = (metadata["points3D_xyz"], metadata["points3D_rgb"]) if metadata else None
            self._model = config.model.setup(scene_box=None, num_train_data=1, seed_points=seeds)

        @property
        def model(self):
            return self._model

        @property
        def device(self):
            return self.model.device

        def get_training_callbacks(self, attributes):
            return self.datamanager.get_training_callbacks(attributes) + self.model.get_training_callbacks(attributes)

        def load_state_dict(self, state):
            model = {key.removeprefix("_model."): value for key, value in state.items() if key.startswith("_model.")}
            self.model.load_state_dict(model, strict=True)

    @dataclass
    class TrainerConfig(InstantiateConfig):
        method_name: str = ""
        steps_per_eval_image: int = 0
        steps_per_eval_batch: int = 0
        steps_per_save: int = 0
        steps_per_eval_all_images: int = 0
        max_num_iterations: int = 0
        mixed_precision: bool = False
        pipeline: Any = None
        optimizers: dict = field(default_factory=dict)
        viewer: Any = None
        vis: str = ""

    Specification = dataclasses.make_dataclass("Specification", ["config", "description"])
    STAND_INS = {
        "cameras.cameras": {"Cameras": Cameras, "CameraType": types.SimpleNamespace(PERSPECTIVE=1)},
        "configs.base_config": {"ViewerConfig": dataclasses.make_dataclass("ViewerConfig", ["num_rays_per_chunk"])},
        "data.dataparsers.base_dataparser": {
            "DataParser": DataParser,
            "DataParserConfig": DataParserConfig,
            "DataparserOutputs": DataparserOutputs,
        },
        "data.datamanagers.full_images_datamanager": {"FullImageDatamanagerConfig": FullImageDatamanagerConfig},
        "data.scene_box": {"SceneBox": SceneBox},
        "engine.trainer": {"TrainerConfig": TrainerConfig},
        "models.base_model": {"ModelConfig": ModelConfig},
        "models.splatfacto": {"SplatfactoModel": SplatfactoModel},
        "pipelines.base_pipeline": {
            "VanillaPipeline": VanillaPipeline,
            "VanillaPipelineConfig": VanillaPipelineConfig,
        },
        "plugins.registry_dataparser": {"DataParserSpecification": Specification},
        "plugins.types": {"MethodSpecification": Specification},
    }


@pytest.fixture(autouse=True, scope="session")
def nerfstudio() -> None:
    """nerfstudio's modules, real or not."""
    if REAL:
        return
    for name, members in STAND_INS.items():
        module = types.ModuleType(f"nerfstudio.{name}")
        vars(module).update(members)
        sys.modules[module.__name__] = module
