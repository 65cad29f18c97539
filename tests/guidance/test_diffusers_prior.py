"""Priors of diffusers against their pipelines' own modules, with tiny ones that are made here; all offline."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from scenekit.errors import BackendError, FileError, InputError
from scenekit.guidance import pipeline_folder
from scenekit.guidance.diffusers_prior import DiffusersPrior, cameras
from scenekit.guidance.distillation import DistillationConfig, distilled, timesteps
from scenekit.guidance.pipeline_folder import PipelineFolder
from scenekit.guidance.prior import Views, guided_epsilon
from scenekit.guidance.text_embeddings import TextEmbeddings
from scenekit.guidance.view_cameras import placed
from tests.guidance.tiny_pipelines import saved

KINDS = ("sd", "sd2", "xl", "if")
PROMPT = "a red mug, front view"


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pipelines")
    return {kind: saved(kind, folder / kind) for kind in (*KINDS, "multiview")}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own cache of embeddings."""
    monkeypatch.setenv("SCENEKIT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def broken(pipelines: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a pipeline, to break."""
    return Path(shutil.copytree(pipelines["sd"], tmp_path / "broken"))


def theirs(folder: Path):
    """The pipeline as diffusers loads it."""
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.from_pretrained(folder, local_files_only=True)


def epsilons(kind: str, folder: Path, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """What the pipeline's own modules say of the noise: with the prompt, and with none."""
    pipeline = theirs(folder)
    with torch.no_grad():
        if kind == "xl":
            words, nothing, pooled, no_pool = pipeline.encode_prompt(PROMPT, device="cpu")
            sizes = torch.tensor([[8, 8, 0, 0, 8, 8]]).repeat(len(x_t), 1)
            added = [{"text_embeds": p.repeat(len(x_t), 1), "time_ids": sizes} for p in (pooled, no_pool)]
        else:
            words, nothing = pipeline.encode_prompt(
                PROMPT, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True
            )[:2]
            added = [None, None]
        outs = [
            pipeline.unet(x_t, t, encoder_hidden_states=text.repeat(len(x_t), 1, 1), added_cond_kwargs=more).sample
            for text, more in zip((words, nothing), added, strict=True)
        ]
    if kind == "if":
        return outs[0].split(3, 1)[0], outs[1].split(3, 1)[0]
    if kind == "sd2":
        a = pipeline.scheduler.alphas_cumprod[t][:, None, None, None]
        return tuple(a.sqrt() * out + (1 - a).sqrt() * x_t for out in outs)  # type: ignore[return-value]
    return outs[0], outs[1]


def noised(prior: DiffusersPrior) -> tuple[Tensor, Tensor]:
    return torch.randn(4, *prior.shape, generator=torch.Generator().manual_seed(3)), torch.tensor([20, 300, 600, 980])


def close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_guided_noise_is_that_of_the_pipelines_own_modules_in_both_conventions(kind, pipelines):
    prior = DiffusersPrior.load(pipelines[kind])
    x_t, t = noised(prior)
    with_words, without = epsilons(kind, pipelines[kind], x_t, t)
    assert not close(with_words, without)
    condition, nothing = prior.condition([PROMPT] * 4, None), prior.condition([""] * 4, None)
    for convention, start in (("uncond", without), ("cond", with_words)):
        with torch.no_grad():
            found = guided_epsilon(prior, x_t, t, condition, nothing, scale=7.5, convention=convention)
        assert close(found, start + 7.5 * (with_words - without))


@pytest.mark.parametrize("kind", ["sd", "sd2", "xl", "if"])
def test_the_schedule_is_the_schedulers(kind, pipelines):
    prior, pipeline = DiffusersPrior.load(pipelines[kind]), theirs(pipelines[kind])
    assert torch.equal(prior.schedule.alphas_cumprod, pipeline.scheduler.alphas_cumprod)
    assert prior.prediction == {"sd2": "v"}.get(kind, "epsilon")


@pytest.mark.parametrize("kind", ["sd", "if"])
def test_the_sds_gradient_is_its_formula_through_the_autoencoder(kind, pipelines):
    """1/b · (1−ᾱ) (ε̂ − ε) ∂z/∂picture, with z the scaled latents of the picture at the model's size."""
    prior, pipeline = DiffusersPrior.load(pipelines[kind]), theirs(pipelines[kind])
    pictures = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(5))
    condition, nothing = prior.condition([PROMPT] * 4, None), prior.condition([""] * 4, None)
    found = distilled(
        prior, pictures, condition, nothing, config=DistillationConfig(scale=20.0), progress=0.3,
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    generator, shown = torch.Generator().manual_seed(9), pictures.clone().requires_grad_()
    side = 4 if kind == "if" else 8
    large = 2 * torch.nn.functional.interpolate(shown, (side, side), mode="bilinear", antialias=True) - 1
    if kind == "if":
        z = large
    else:
        config = pipeline.vae.config
        z = (pipeline.vae.encode(large).latent_dist.mode() - config.shift_factor) * config.scaling_factor
    t, noise = timesteps(DistillationConfig(), 1000, 4, 0.3, generator), torch.randn(z.shape, generator=generator)
    a = pipeline.scheduler.alphas_cumprod[t][:, None, None, None]
    x_t = (a.sqrt() * z + (1 - a).sqrt() * noise).detach()
    with_words, without = epsilons(kind, pipelines[kind], x_t, t)
    pull = (1 - a) * (without + 20 * (with_words - without) - noise) / 4
    (expected,) = torch.autograd.grad(z, shown, pull)
    assert close(found.gradient, expected)


def test_pictures_are_decoded_as_the_pipeline_does(pipelines):
    prior, pipeline = DiffusersPrior.load(pipelines["sd"]), theirs(pipelines["sd"])
    latents = torch.randn(2, *prior.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        expected = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
        torch.testing.assert_close(prior.decode(latents), ((expected + 1) / 2).clamp(0, 1))


def test_a_picture_without_an_autoencoder_comes_back_from_its_latents(pipelines):
    prior = DiffusersPrior.load(pipelines["if"])
    pictures = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(prior.decode(prior.encode(pictures)), pictures)


def test_four_views_are_seen_together_and_by_their_cameras(pipelines):
    """Another fourth picture changes what is said of the first, unlike in a model of single pictures; cameras count."""
    prior, single = DiffusersPrior.load(pipelines["multiview"]), DiffusersPrior.load(pipelines["sd"])
    views = Views(torch.arange(4) * math.pi / 2, torch.full((4,), 0.2))
    x_t, t = noised(prior)[0], torch.full((4,), 500)
    other = torch.cat([x_t[:3], x_t[3:].flip(2)])
    for asked, changes in ((prior, True), (single, False)):
        condition = asked.condition([PROMPT], views)
        first, second = asked.predict(x_t, t, condition), asked.predict(other, t, condition)
        assert bool((first[0] - second[0]).abs().max() > 1e-6) == changes
        turned = asked.condition([PROMPT], Views(views.azimuth + 1, views.elevation))
        assert torch.equal(first, asked.predict(x_t, t, turned)) != changes


def test_attention_across_views_is_attention_over_all_their_tokens(pipelines):
    """Against one explicit softmax over the tokens of the four views."""
    prior = DiffusersPrior.load(pipelines["multiview"])
    attention = prior.network.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    x = torch.randn(8, 5, 4)
    q, k, v = (
        layer(x).reshape(2, 20, attention.heads, -1).transpose(1, 2)
        for layer in (attention.to_q, attention.to_k, attention.to_v)
    )
    mixed = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    expected = attention.to_out[0](mixed.transpose(1, 2).reshape(8, 5, 4))
    torch.testing.assert_close(attention(x), expected)


def test_two_things_of_four_views_do_not_see_each_other(pipelines):
    prior = DiffusersPrior.load(pipelines["multiview"])
    views = Views(torch.arange(8) * math.pi / 2, torch.zeros(8))
    x_t, t = torch.randn(8, *prior.shape), torch.full((8,), 300)
    condition = prior.condition([PROMPT], views)
    together = prior.predict(x_t, t, condition)
    other = prior.predict(torch.cat([x_t[:4], x_t[4:].flip(2)]), t, condition)
    torch.testing.assert_close(together[:4], other[:4])


def test_cameras_are_where_ours_are_and_look_along_minus_z():
    views = Views(torch.tensor([0.0, 0.7, 3.0]), torch.tensor([0.0, 0.4, -0.3]))
    ours = placed(views, [1.0] * 3, [40.0] * 3, 8, 0.0).T_world_cam  # of OpenCV: y down, z forward
    expected = torch.tensor(ours) @ torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(cameras(views).reshape(3, 4, 4).double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [1, 6])
def test_other_counts_than_four_views_are_refused_by_a_model_of_four(count, pipelines):
    prior = DiffusersPrior.load(pipelines["multiview"])
    with pytest.raises(InputError, match="multiple of 4"):
        prior.condition([PROMPT], Views(torch.zeros(count), torch.zeros(count)))


def test_a_prompt_is_embedded_once_and_read_from_disk_without_the_encoder(pipelines, data, monkeypatch):
    first = DiffusersPrior.load(pipelines["sd"]).condition([PROMPT, ""], None)
    assert len(list((data / "embeddings").glob("*.safetensors"))) == 2
    monkeypatch.setattr(TextEmbeddings, "_wake", lambda self: pytest.fail("the text encoder was loaded"))
    prior = DiffusersPrior.load(pipelines["sd"])
    again = prior.condition([PROMPT, ""], None)
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert not prior.texts.awake


def test_models_do_not_share_embeddings(pipelines):
    first = DiffusersPrior.load(pipelines["sd"]).condition([PROMPT], None)
    second = DiffusersPrior.load(pipelines["xl"]).condition([PROMPT], None)
    assert first.tensors["words"].shape != second.tensors["words"].shape


def test_a_damaged_embedding_is_computed_anew(pipelines, data):
    first = DiffusersPrior.load(pipelines["sd"]).condition([PROMPT], None)
    (path,) = (data / "embeddings").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    again = DiffusersPrior.load(pipelines["sd"]).condition([PROMPT], None)
    assert torch.equal(first.tensors["words"], again.tensors["words"])


def test_the_text_encoder_is_let_go_before_the_network_works(pipelines):
    prior = DiffusersPrior.load(pipelines["sd"])
    condition = prior.condition([PROMPT] * 4, None)
    assert prior.texts.awake
    prior.predict(*noised(prior), condition)
    assert not prior.texts.awake
    prior.prepare(["a blue chair"])
    assert not prior.texts.awake


def test_one_prompt_serves_all_views(pipelines):
    prior = DiffusersPrior.load(pipelines["sd"])
    assert len(prior.condition(["a mug"], Views(torch.zeros(3), torch.zeros(3)))) == 3
    with pytest.raises(InputError, match="prompts"):
        prior.condition(["a mug", "a chair"], Views(torch.zeros(3), torch.zeros(3)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_is_too_long_is_told_what_would_be_cut(kind, pipelines):
    prior = DiffusersPrior.load(pipelines[kind])
    with pytest.raises(InputError, match=r"tokens, of which '.*blue chair' would be cut off"):
        prior.condition([" ".join(["red"] * 76 + ["blue chair"])], None)


def test_attention_slicing_says_the_same(pipelines):
    plain, sliced = (DiffusersPrior.load(pipelines["sd"], slicing=slicing) for slicing in (False, True))
    condition, asked = plain.condition([PROMPT] * 4, None), noised(plain)
    torch.testing.assert_close(plain.predict(*asked, condition), sliced.predict(*asked, condition))


def test_half_the_bits_say_nearly_the_same(pipelines):
    plain, half = (DiffusersPrior.load(pipelines["sd"], dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    asked = noised(plain)
    first, second = (prior.predict(*asked, prior.condition([PROMPT] * 4, None)) for prior in (plain, half))
    assert second.dtype == torch.float32 and half.network.dtype == torch.bfloat16
    assert float((first - second).norm() / first.norm()) < 0.05
    assert half.encode(torch.rand(1, 3, 8, 8)).dtype == torch.float32


# What goes wrong


def test_without_the_packages_it_says_what_to_install(pipelines, monkeypatch):
    monkeypatch.setattr(pipeline_folder.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"pip install .*scenekit\[diffusers\]"):
        DiffusersPrior.load(pipelines["sd"])


def test_a_missing_folder_is_answered(tmp_path):
    with pytest.raises(FileError, match="no such folder"):
        DiffusersPrior.load(tmp_path / "nothing")


def test_a_folder_that_is_no_pipeline_is_answered(tmp_path):
    with pytest.raises(FileError, match=r"model_index\.json"):
        DiffusersPrior.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", '{"_class_name": "IFSuperResolutionPipeline"}', "[" * 100_000])
def test_an_index_of_something_else_is_answered(broken, text):
    (broken / "model_index.json").write_text(text)
    with pytest.raises(FileError, match=r"model_index\.json"):
        DiffusersPrior.load(broken)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_missing_weights_are_answered(broken, part):
    for path in (broken / part).glob("*.safetensors"):
        path.unlink()
    with pytest.raises(FileError, match="no weights"):
        DiffusersPrior.load(broken)


def test_pickles_are_refused(broken):
    (path,) = (broken / "unet").glob("*.safetensors")
    path.rename(path.with_suffix(".bin"))
    with pytest.raises(FileError, match="pickle"):
        DiffusersPrior.load(broken)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_truncated_weights_are_answered(broken, part):
    (path,) = (broken / part).glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=part):
        DiffusersPrior.load(broken).condition([PROMPT], None)


@pytest.mark.parametrize("change", [{"cross_attention_dim": 12}, {"sample_size": None}, {"block_out_channels": "x"}])
def test_a_config_that_does_not_fit_the_weights_is_answered(broken, change):
    path = broken / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FileError, match="unet"):
        DiffusersPrior.load(broken)


def test_weights_of_which_some_are_missing_are_answered(broken):
    """Both libraries would go on with random ones."""
    from safetensors.torch import load_file, save_file

    for part in ("unet", "text_encoder"):
        (path,) = (broken / part).glob("*.safetensors")
        whole = load_file(path)
        save_file(dict(list(whole.items())[1:]), path, metadata={"format": "pt"})
        with pytest.raises(FileError, match="1 weights missing"):
            DiffusersPrior.load(broken).condition([PROMPT], None)
        save_file(whole, path, metadata={"format": "pt"})


def test_a_model_that_inpaints_is_refused(pipelines, tmp_path):
    folder = Path(shutil.copytree(pipelines["sd"], tmp_path / "inpainting"))
    from diffusers import UNet2DConditionModel

    config = json.loads((folder / "unet" / "config.json").read_text()) | {"in_channels": 9}
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    with pytest.raises(FileError, match="9 channels"):
        DiffusersPrior.load(folder)


@pytest.mark.parametrize(
    "change", [{"prediction_type": "flow"}, {"beta_schedule": "none such"}, {"beta_end": math.nan}]
)
def test_a_schedule_that_is_none_is_answered(broken, change):
    path = broken / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FileError, match="scheduler"):
        DiffusersPrior.load(broken)


def test_a_text_encoder_of_another_library_is_refused(broken):
    path = broken / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"text_encoder": ["os", "system"]}))
    with pytest.raises(FileError, match="CLIPTextModel"):
        DiffusersPrior.load(broken).condition([PROMPT], None)


def test_too_little_memory_is_said_before_anything_is_loaded(pipelines, monkeypatch):
    pipeline = PipelineFolder.open(pipelines["sd"], half=False)
    unet = theirs(pipelines["sd"]).unet
    assert pipeline.bytes(["unet"], torch.float32) == 4 * sum(p.numel() for p in unet.parameters())
    monkeypatch.setattr(pipeline_folder, "free_memory", lambda device: 1000)
    with pytest.raises(BackendError, match=r"memory of cpu: got 1e-06 GB free; wanted .* GB for unet, vae as float32"):
        DiffusersPrior.load(pipelines["sd"])


def test_a_hub_that_does_not_answer_is_said_with_the_way_offline(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(FileError, match=r"no answer from the hub .*HF_HUB_OFFLINE"):
        DiffusersPrior.load("somebody/some-model")


def test_of_a_model_of_the_hub_only_what_is_needed_is_taken():
    files = [
        "model_index.json", "README.md", "v2-1.ckpt", "unet/config.json", "tokenizer/merges.txt",
        "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json", "safety_checker/model.safetensors",
    ]  # fmt: skip
    common = {files[0], files[3], files[4], *files[9:12]}
    assert set(pipeline_folder._needed(files, half=False)) == common | {files[6]}
    assert set(pipeline_folder._needed(files, half=True)) == common | {files[7]}
