"""Streams read piece by piece: the same bytes however they are cut, and nothing silent about damage."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import zstandard

from scenekit.errors import FileError
from scenekit.io.streams import PIECE, GzipStream, Stream, ZstdStream

HERE = Path("a.file")
CONTENT = np.random.default_rng(0).integers(0, 256, 3 * PIECE + 17, dtype=np.uint8).tobytes()
"""What does not compress, so that it takes several pieces."""


@pytest.mark.parametrize("step", [1000, PIECE, len(CONTENT), 10 * len(CONTENT)])
def test_all_cuts_give_the_content(step: int) -> None:
    def packed() -> list[Stream]:
        return [GzipStream(HERE, gzip.compress(CONTENT)), ZstdStream(HERE, zstandard.compress(CONTENT))]

    for stream in packed():
        pieces = [stream.read(step) for _ in range(0, len(CONTENT), step)]
        assert b"".join(pieces) == CONTENT
        assert {len(piece) for piece in pieces[:-1]} <= {step}
        assert stream.read(1) == b""


def test_a_bomb_gives_no_more_than_is_asked_for() -> None:
    stream = GzipStream(HERE, gzip.compress(bytes(50_000_000)))
    assert stream.read(1000) + stream.read(24) == bytes(1024)


@pytest.mark.parametrize("cut", [3, 15, 100, -9, -1])
def test_a_gzip_stream_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(FileError, match="cut off"):
        GzipStream(HERE, gzip.compress(CONTENT)[:cut]).read(len(CONTENT) + 1)


def test_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(CONTENT))
    packed[-6] ^= 1
    with pytest.raises(FileError, match="damaged gzip"):
        GzipStream(HERE, bytes(packed)).read(len(CONTENT) + 1)


def test_zstd_frames_follow_one_another_and_one_cut_off_ends() -> None:
    frames = zstandard.compress(CONTENT[:99]) + zstandard.compress(CONTENT[99:])
    assert ZstdStream(HERE, frames).read(len(CONTENT) + 1) == CONTENT
    assert len(ZstdStream(HERE, frames[:-3]).read(len(CONTENT))) < len(CONTENT)
    with pytest.raises(FileError, match="ZSTD"):
        ZstdStream(HERE, b"not zstd" * 9).read(1)
