"""How exactly matrix products are made."""

from __future__ import annotations

import torch


def half_precision(device: torch.device | str, *, wanted: bool = True) -> torch.autocast:
    """Within it, matrix products are made in bfloat16 if that is `wanted` and `device` has it; in float32 elsewhere.

    A CPU without such instructions takes bfloat16 too, at a sixth of the speed of float32.
    """
    kind = torch.device(device).type
    has_it = kind != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and has_it)
