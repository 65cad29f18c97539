"""The first pass that chooses pairs."""

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components

from scenekit.capture.pairs import CHUNK, MIN_COSINE, all_pairs, promising_pairs, similarity


def descriptors_of_a_walk(count: int, k: int = 20, step: int = 5) -> torch.Tensor:
    """Photos along a wall of unit descriptors: each sees k of them, its neighbour all but `step` of the same."""
    generator = torch.Generator().manual_seed(0)
    wall = torch.nn.functional.normalize(torch.randn(count * step + k, 128, generator=generator), dim=1)
    return torch.stack([wall[i * step : i * step + k] for i in range(count)])


def test_similarity_counts_what_two_photos_share():
    count = CHUNK + 7  # more than one chunk
    scores = similarity(descriptors_of_a_walk(count))
    i, j = np.mgrid[:count, :count]
    shared = np.maximum(20 - 5 * np.abs(i - j), 0)
    np.testing.assert_array_equal(scores, np.where(i == j, 0, shared))


def test_similarity_is_the_plain_loop():
    """Mutual nearest neighbours above the threshold, one pair at a time."""
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(30, 16, generator=generator)
    photos = torch.nn.functional.normalize(base + 0.3 * torch.randn(5, 30, 16, generator=generator), dim=2)
    photos[4, 20:] = 0.0  # fewer features
    expected = np.zeros((5, 5), int)
    for a, b in all_pairs(5):
        cosines = photos[a] @ photos[b].T
        for f in range(30):
            g = int(cosines[f].argmax())
            expected[a, b] += int(cosines[:, g].argmax()) == f and float(cosines[f, g]) > MIN_COSINE
    np.testing.assert_array_equal(similarity(photos), expected + expected.T)


def test_every_photo_is_paired_with_its_most_similar_ones():
    scores = similarity(descriptors_of_a_walk(12))
    pairs = promising_pairs(scores, neighbours=2, overlap=1)
    assert set(pairs) >= {(i, i + 1) for i in range(11)}
    assert all(j - i <= 2 for i, j in pairs) and pairs == sorted(set(pairs))


def test_the_pairs_join_all_photos_even_where_nothing_is_similar():
    scores = np.zeros((9, 9), dtype=np.int64)
    scores[:4, :4], scores[4:, 4:] = 50, 50
    np.fill_diagonal(scores, 0)
    scores[1, 7] = scores[7, 1] = 3
    pairs = promising_pairs(scores, neighbours=2, overlap=0)
    graph = np.zeros((9, 9))
    graph[tuple(np.array(pairs).T)] = 1
    assert connected_components(graph)[0] == 1 and (1, 7) in pairs


def test_frames_of_a_video_are_paired_with_their_neighbours_in_time():
    pairs = promising_pairs(np.zeros((10, 10), dtype=np.int64), neighbours=3, overlap=2)
    assert {(i, j) for i, j in all_pairs(10) if j - i <= 2} <= set(pairs)
