"""CLIP as a judge, against transformers' own answer, with a tiny CLIP that is made here; all offline."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scenekit.errors import FileError, InputError
from scenekit.generate.measures import r_precision
from scenekit.guidance.clip_judge import MEAN, STD, ClipJudge

WORDS = ["a", "red", "blue", "mug"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("clip")
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(word + "</w>" for word in WORDS[1:])]
    vocabulary = {piece: i for i, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    (made / "vocab.json").write_text(json.dumps(vocabulary))
    (made / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(made / "vocab.json"), str(made / "merges.txt")).save_pretrained(made)
    end = vocabulary["<|endoftext|>"]
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {"vocab_size": len(vocabulary), "bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    vision = small | {"image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(made)
    return made


def test_scores_are_those_of_transformers(folder: Path):
    from transformers import CLIPModel, CLIPTokenizer

    pictures, prompts = torch.rand(3, 3, 32, 32), ["a red mug", "a mug"]
    model, tokenizer = CLIPModel.from_pretrained(folder).eval(), CLIPTokenizer.from_pretrained(folder)
    pixels = (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        theirs = model(**tokenizer(prompts, padding=True, return_tensors="pt"), pixel_values=pixels)
    wanted = theirs.logits_per_image / model.logit_scale.exp()
    torch.testing.assert_close(ClipJudge.load(folder).scores(pictures, prompts), wanted, atol=1e-5, rtol=0)


def test_it_judges_as_the_small_judge_does(folder: Path):
    found = r_precision(ClipJudge.load(folder), torch.rand(2, 3, 3, 20, 20), ["a red mug", "a blue mug"])
    assert found.scores.shape == (2, 2)


@pytest.mark.parametrize("how", ["missing", "foreign", "partial"])
def test_folders_without_a_whole_clip_are_refused(how: str, folder: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    if how != "missing":
        for file in folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    if how == "foreign":
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    elif how == "partial":
        weights = load_file(tmp_path / "model.safetensors")
        weights.pop("visual_projection.weight")
        save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FileError):
        ClipJudge.load(tmp_path / "clip" if how == "missing" else tmp_path)


def test_nothing_to_judge_is_refused(folder: Path):
    with pytest.raises(InputError):
        ClipJudge.load(folder).scores(torch.rand(1, 3, 8, 8), [])
