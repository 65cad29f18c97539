"""Pipelines of diffusers with the layers of the real ones and a few channels, made and saved without a network."""

import json
import math
from pathlib import Path

import torch

WORDS = ["a", "red", "blue", "mug", "chair", "front", "side", "back", "view", ","]
"""All that their tokenizers know as wholes."""


def saved(kind: str, folder: Path) -> Path:
    """sd (ε), sd2 (v), xl, if, multiview; saves it and returns its folder."""
    import diffusers

    torch.manual_seed(0)
    unchecked = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    if kind == "xl":
        pipeline = diffusers.StableDiffusionXLPipeline(**_xl())
    elif kind == "if":
        pipeline = diffusers.IFPipeline(**_deep_floyd(), **unchecked, watermarker=None)
    else:
        prediction = "v_prediction" if kind == "sd2" else "epsilon"
        pipeline = diffusers.StableDiffusionPipeline(**_stable_diffusion(prediction), **unchecked)
    pipeline.save_pretrained(folder)
    if kind == "multiview":
        _with_cameras(folder)
    return folder


def _stable_diffusion(prediction: str) -> dict:
    return {
        "unet": _unet(attention_head_dim=2),
        "vae": _vae(),
        "text_encoder": _clip(8, projected=False),
        "tokenizer": _clip_tokenizer(),
        "scheduler": _scheduler(prediction),
    }


def _xl() -> dict:
    unet = _unet(
        cross_attention_dim=16, attention_head_dim=2, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 6,
    )  # fmt: skip
    return {
        "unet": unet,
        "vae": _vae(),
        "text_encoder": _clip(8, projected=False),
        "text_encoder_2": _clip(8, projected=True),
        "tokenizer": _clip_tokenizer(),
        "tokenizer_2": _clip_tokenizer(),
        "scheduler": _scheduler("epsilon"),
    }


def _deep_floyd() -> dict:
    from diffusers import DDPMScheduler
    from transformers import T5Config, T5EncoderModel

    unet = _unet(
        in_channels=3, out_channels=6, attention_head_dim=4, act_fn="gelu", cross_attention_norm="group_norm",
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", resnet_time_scale_shift="scale_shift",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"), cross_attention_dim=32,
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), encoder_hid_dim=8,
        encoder_hid_dim_type="text_proj", addition_embed_type="text", addition_embed_type_num_heads=2,
    )  # fmt: skip
    config = T5Config(vocab_size=64, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0)
    schedule = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True)
    return {
        "unet": unet,
        "text_encoder": T5EncoderModel(config).eval(),
        "tokenizer": _t5_tokenizer(),
        "scheduler": schedule,
    }


def _unet(**more):
    from diffusers import UNet2DConditionModel

    options = {
        "sample_size": 4, "in_channels": 4, "out_channels": 4, "block_out_channels": (4, 8), "layers_per_block": 1,
        "norm_num_groups": 2, "cross_attention_dim": 8, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }  # fmt: skip
    return UNet2DConditionModel(**options | more).eval()


def _vae():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8), norm_num_groups=2, latent_channels=4, sample_size=8, shift_factor=0.1,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip


def _clip(width: int, *, projected: bool):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=1000, hidden_size=width, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        projection_dim=6, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def _clip_tokenizer():
    """Byte pairs that put the letters of each word together, one after the other."""
    from transformers import CLIPTokenizer

    merges, known = [], {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for letter in sorted({letter for word in WORDS for letter in word}):
        for piece in (letter, f"{letter}</w>"):
            known.setdefault(piece, len(known))
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces[:2] = ["".join(pieces[:2])]
            known.setdefault(pieces[0], len(known))
    return CLIPTokenizer(vocab=known, merges=list(dict.fromkeys(merges)), model_max_length=77)


def _t5_tokenizer():
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS if word != ","), ","]
    return T5Tokenizer(
        vocab=[(piece, -1.0 - i / 10) for i, piece in enumerate(pieces)], extra_ids=0, model_max_length=77
    )


def _scheduler(prediction: str):
    from diffusers import PNDMScheduler

    return PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction, steps_offset=1
    )


def _with_cameras(folder: Path) -> None:
    """What MVDream adds to Stable Diffusion: layers for cameras."""
    from safetensors.torch import save_file

    path = folder / "model_index.json"
    index = json.loads(path.read_text()) | {"_class_name": "MVDreamPipeline"}
    path.write_text(json.dumps(index))
    (folder / "camera_proj").mkdir()
    sizes = {"linear_1": (16, 16), "linear_2": (16, 16)}
    layers = {f"{name}.weight": torch.randn(size) / math.sqrt(size[1]) for name, size in sizes.items()}
    layers |= {f"{name}.bias": torch.randn(size[0]) for name, size in sizes.items()}
    save_file(layers, folder / "camera_proj" / "diffusion_pytorch_model.safetensors")
