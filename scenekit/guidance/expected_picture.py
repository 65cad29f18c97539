"""The picture that words and a view show on average: what is known before anything is seen.

A denoiser learns it too, as its answer to pure noise, but slowly: at most noise levels the noised picture says where
things are, and the view little that is new. So front and back stay much the same to it, and what is generated has two
faces. Learned by itself, and given to the denoiser, the average tells sides apart. Letters: b batch, k words, d width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scenekit.guidance.view_features import VIEW_FEATURES

HEADS = 4
"""Of attention."""


class ExpectedPicture(nn.Module):
    """E[x₀ | words, view], as a sum of learned pictures.

    Args:
        side: Of the picture [px].
        width: d, a multiple of `HEADS`.
        depth: Blocks.
        words: Most words of a prompt.
        vocabulary: Different words; 0 fills up.
        components: Pictures of which all others are sums.
    """

    def __init__(self, side: int, *, width: int, depth: int, words: int, vocabulary: int, components: int):
        super().__init__()
        self.side, d = side, width
        self.word = nn.Embedding(vocabulary, d)
        self.place = nn.Parameter(0.02 * torch.randn(words, d))
        self.view = nn.Sequential(nn.Linear(VIEW_FEATURES, d), nn.GELU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(d, HEADS, 4 * d, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d)
        hidden = 2 * components
        self.weights = nn.Sequential(
            nn.Linear(d, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, components)
        )
        self.components = nn.Linear(components, 3 * side**2)
        nn.init.normal_(self.word.weight, std=0.02)
        nn.init.zeros_(self.components.bias)

    def forward(self, words: Tensor, view: Tensor) -> Tensor:
        """The pictures, shape (b, 3, side, side).

        Args:
            words: Numbers of words, 0 after the last one, shape (b, k).
            view: `view_features`, shape (b, VIEW_FEATURES).
        """
        said = self.word(words) + self.place[: words.shape[1]]
        tokens = torch.cat([self.view(view)[:, None], said], 1)
        empty = torch.cat([words.new_zeros(len(words), 1, dtype=torch.bool), words == 0], 1)
        for block in self.blocks:
            tokens = block(tokens, src_key_padding_mask=empty)
        return self.components(self.weights(self.norm(tokens[:, 0]))).unflatten(1, (3, self.side, self.side))
