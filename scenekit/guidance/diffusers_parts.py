"""Loads the networks of a diffusers pipeline, one by one, and only whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from scenekit.errors import FileError
from scenekit.guidance.pipeline_folder import PipelineFolder


def loaded(kind: Any, pipeline: PipelineFolder, part: str, dtype: torch.dtype) -> Any:
    """A part's network, frozen, ready to be asked.

    Args:
        kind: Its class, of diffusers or transformers.
        pipeline: Whose part.
        part: Its folder.
        dtype: Of its weights.

    Raises:
        FileError: If weights are missing, damaged or do not fit; both libraries would go on with random ones.
    """
    files = pipeline.weights(part, half=dtype != torch.float32)
    variant = "fp16" if ".fp16" in files[0].name else None
    folder = pipeline.folder / part
    try:
        with quiet():
            network, notes = kind.from_pretrained(
                folder, torch_dtype=dtype, variant=variant, use_safetensors=True,
                local_files_only=True, output_loading_info=True,
            )  # fmt: skip
    except Exception as error:  # both raise what comes along: OSError, ValueError, RuntimeError, SafetensorError
        got = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise FileError(folder, got=got, wanted=f"weights of a {kind.__name__}") from None
    wrong = [str(name) for key in ("missing_keys", "mismatched_keys") for name in notes[key]]
    if wrong:
        got = f"{len(wrong)} weights missing or of another size, such as {wrong[0]}"
        raise FileError(folder, got=got, wanted=f"the weights of a {kind.__name__} of its config.json")
    return network.eval().requires_grad_(False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and warnings of both libraries, which are as they were afterwards."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    levels = [(log, log.get_verbosity()) for log in (of_diffusers, of_transformers)]
    bars = of_transformers.is_progress_bar_enabled()
    try:
        for log, _ in levels:
            log.set_verbosity_error()
        of_transformers.disable_progress_bar()
        yield
    finally:
        for log, level in levels:
            log.set_verbosity(level)
        if bars:
            of_transformers.enable_progress_bar()
