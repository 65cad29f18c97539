"""Archives from the network: resumed where they stopped, checked, and unpacked only where they belong.

    file = downloaded(Archive(url, "lego.zip", limit=…, sha256=…), folder)
    unpacked(file, folder / "lego", lambda name: name.removeprefix("nerf_synthetic/lego/") …)

A download goes to FILE.part, is asked for from where it ends with the server's word that the file is the same (ETag or
date), and takes its name only when its length and SHA-256 are right. Where nobody has published a hash, that of the
first download is kept in hashes.json beside it and every later one has to agree.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.bounded import MIB, ZIP_ERRORS, open_zip, parse_json

CHUNK = MIB
"""Read and written at a time [bytes]."""

TIMEOUT = 60.0
"""How long a server may be silent [s]."""

ATTEMPTS = 5
"""How often a connection that breaks is taken up again where it brought something."""

HASHES = "hashes.json"
"""Hashes of first downloads, by URL, in the folder of the archives."""

MAX_MEMBERS, MAX_RATIO, MAX_LIST = 500_000, 12, 256 * MIB
"""Most members of an archive; most bytes of it unpacked for each of the archive, photos hardly shrink; its longest list
of members [bytes]."""


@dataclass(frozen=True)
class Archive:
    """A file of a data set."""

    url: str
    """Where it is."""
    file: str
    """What it is called here."""
    limit: int
    """Most that is taken of it [bytes]; well above what it has."""
    sha256: str | None = None
    """As published; None if nobody has: then that of the first download counts."""


def downloaded(archive: Archive, folder: Path, *, progress: bool = True) -> Path:
    """The archive in `folder`, downloaded or gone on with if it is not there.

    Raises:
        FileError: If the server does not give it, or gives another one. What came so far is kept, unless it is wrong.
        OSError: If the disk is full or not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / archive.file, folder / f"{archive.file}.part"
    if target.is_file():
        return checked(archive, target, folder)
    bar = Progress(
        *(TextColumn(archive.file), BarColumn(), DownloadColumn(), TransferSpeedColumn()), disable=not progress
    )
    with bar:
        task = bar.add_task("", total=None)
        for attempt in range(ATTEMPTS):
            before = part.stat().st_size if part.is_file() else 0
            try:
                _go_on(archive, part, lambda done, total: bar.update(task, completed=done, total=total))
                break
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                came = (part.stat().st_size if part.is_file() else 0) > before
                if attempt + 1 == ATTEMPTS or not came:
                    raise _unreachable(archive, error) from error
    checked(archive, part, folder)
    _state(part).unlink(missing_ok=True)
    part.replace(target)
    return target


def checked(archive: Archive, file: Path, folder: Path) -> Path:
    """The file, if its SHA-256 is as published, or as that of the first download, which this may be.

    Raises:
        FileError: If it is another. A file that is not finished (.part) is removed, one that the user has is not.
    """
    known = _hashes(folder / HASHES)
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    wanted = archive.sha256 or known.get(archive.url)
    if wanted is not None and digest != wanted:
        if file.suffix == ".part":
            file.unlink()
            _state(file).unlink(missing_ok=True)
        whose = "as published" if archive.sha256 else f"of the first download, in {folder / HASHES}"
        hint = "The file was damaged on its way or has changed at its source; do not use it unasked."
        raise FileError(file, got=f"SHA-256 {digest}", wanted=f"{wanted}, {whose}", hint=hint)
    if archive.url not in known:
        write_text(folder / HASHES, json.dumps(known | {archive.url: digest}, indent=1, sort_keys=True))
    return file


def _go_on(archive: Archive, part: Path, show: Callable[[int, int | None], None]) -> None:
    """Brings `part` to its end; starts anew if the server cannot go on or the file has changed there."""
    have, mark = part.stat().st_size if part.is_file() else 0, _mark(part)
    headers = {"User-Agent": "scenekit", "Accept-Encoding": "identity"}
    if have and mark:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(_checked_url(archive), headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return  # it was whole already
        raise
    with answer:
        if answer.headers.get_content_type() == "text/html":
            hint = f"Open {archive.url} in a browser and hand the file over with --archive."
            raise FileError(archive.url, got="a web page", wanted="the file itself", hint=hint)
        start = have if answer.status == 206 and _starts_at(answer.headers, have) else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        _check_size(archive, total or 0)
        write_text(_state(part), json.dumps({"mark": _mark_of(answer.headers)}))
        with part.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            done = _copied(archive, answer, file, start, lambda done: show(done, total))
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _copied(archive: Archive, answer: Any, file: IO[bytes], start: int, show: Callable[[int], None]) -> int:
    """How long the file is after all that comes was written to it [bytes]."""
    done = start
    try:
        while block := answer.read(CHUNK):
            file.write(block)
            done += len(block)
            _check_size(archive, done)
            show(done)
    finally:
        file.flush()
        os.fsync(file.fileno())
    return done


def _check_size(archive: Archive, size: int) -> None:
    if size > archive.limit:
        raise FileError(archive.url, got=f"{size} bytes or more", wanted=f"at most {archive.limit}")


def _checked_url(archive: Archive) -> str:
    if not archive.url.startswith(("https://", "http://")):
        raise InputError("url", got=archive.url, wanted="https or http")
    return archive.url


def _starts_at(headers: Any, have: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _mark_of(headers: Any) -> str:
    """What tells this version of the file from others, for If-Range: a strong ETag, or the date; none if neither."""
    tag = str(headers.get("ETag") or "")
    return tag if tag.startswith('"') else str(headers.get("Last-Modified") or "")


def _state(part: Path) -> Path:
    return part.with_suffix(".part.json")


def _mark(part: Path) -> str:
    """The mark of the file that a part is of; without one it cannot be gone on with."""
    try:
        return str(json.loads(_state(part).read_bytes())["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _hashes(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    return {str(url): str(digest) for url, digest in parse_json(file, file.read_bytes()).items()}


def _unreachable(archive: Archive, error: Exception) -> FileError:
    got = f"{type(error).__name__}: {error}"
    hint = f"The same command goes on from there. Or fetch {archive.url} yourself and hand it over with --archive."
    return FileError(archive.url, got=got, wanted="the file", hint=hint)


def unpacked(file: Path, folder: Path, place: Callable[[str], str | None]) -> int:
    """Unpacks members of a zip into a new folder, which is there whole or not at all; how many files.

    Args:
        file: The archive.
        folder: Where; what is there already is replaced at the end.
        place: Where in the folder a member belongs; None leaves it out.

    Raises:
        FileError: If the archive is damaged, encrypted, holds links, names outside of the folder, or much more than its
            size, or nothing that belongs there.
        OSError: If the disk is full or not writable.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with open_zip(file, max_list=MAX_LIST) as archive:
            wanted = _members(file, archive, place)
            for info, name in wanted:
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                _unpack(file, archive, info, draft / name)
        if folder.exists():
            shutil.rmtree(folder)
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(wanted)


def _members(
    file: Path, archive: zipfile.ZipFile, place: Callable[[str], str | None]
) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files that are wanted, and where they belong."""
    wanted = [(info, name) for info in archive.infolist() if not info.is_dir() and (name := place(info.filename))]
    for info, name in wanted:
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
        if outside or stat.S_ISLNK(info.external_attr >> 16):
            raise FileError(file, got=f"a member {info.filename!r}", wanted="plain files inside its folder")
    size = sum(info.file_size for info, _ in wanted)
    if len(wanted) > MAX_MEMBERS or size > MAX_RATIO * file.stat().st_size + MIB:
        raise FileError(file, got=f"{len(wanted)} members of {size} bytes", wanted=f"{MAX_RATIO} times the archive")
    if not wanted:
        raise FileError(file, got="nothing that belongs there", wanted="the archive of this data set")
    return wanted


def _unpack(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """One member, no longer than its list says; zipfile checks its CRC at the end."""
    try:
        with archive.open(info) as source, target.open("xb") as out:
            done = 0
            while block := source.read(CHUNK):
                done += len(block)
                if done > info.file_size:
                    raise FileError(file, got=f"{info.filename} longer than listed", wanted="an intact archive")
                out.write(block)
    except FileExistsError as error:
        raise FileError(file, got=f"{info.filename} twice", wanted="each member once") from error
    except ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a full disk is not the archive's fault
        raise FileError(file, got=f"a damaged {info.filename} ({error})", wanted="an intact archive") from None
