"""Compressed streams piece by piece: a reader works on one piece while the next is decompressed, and no bomb goes off.

    stream = GzipStream(path, data)
    head, body = stream.read(16), stream.read(1000)

`read(size)` gives the next `size` bytes, fewer only where the content ends, so what a stream may swell to is what its
reader asks for.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Protocol

import zstandard

from scenekit.errors import FileError

PIECE = 1 << 18
"""How much is given to zlib at a time [bytes]; it copies what it has not used."""


class Stream(Protocol):
    """What is read piece by piece."""

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the content ends.

        Raises:
            FileError: If the stream is damaged or cut off.
        """
        ...


class GzipStream:
    """The content of one gzip member."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data, self._at, self._done = path, memoryview(data), 0, 0
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """See `Stream.read`; whoever reads on to the end has its checksum compared too."""
        parts, wanted = list[bytes](), self._done + size
        while self._done < wanted and not self._zlib.eof:
            packed = self._zlib.unconsumed_tail or self._next()
            try:
                part = self._zlib.decompress(packed, wanted - self._done)
            except zlib.error as error:
                raise FileError(self._path, got=f"a damaged gzip stream ({error})", wanted="an intact one") from None
            if not part and not packed:
                raise FileError(self._path, got=f"a gzip stream cut off after {self._done} bytes", wanted="its end")
            parts.append(part)
            self._done += len(part)
        return b"".join(parts)

    def _next(self) -> memoryview:
        self._at += PIECE
        return self._data[self._at - PIECE : self._at]


class ZstdStream:
    """The content of ZSTD frames, one after the other."""

    def __init__(self, path: Path, data: bytes | memoryview) -> None:
        self._path = path
        self._zstd = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)

    def read(self, size: int) -> bytes:
        """See `Stream.read`; a stream that is cut off just ends."""
        try:
            return self._zstd.read(size)
        except zstandard.ZstdError as error:
            raise FileError(self._path, got=f"a damaged ZSTD stream ({error})", wanted="an intact one") from None
