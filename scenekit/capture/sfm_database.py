"""COLMAP's database on disk: the photos as COLMAP reads them, their features, and their matches; resumable."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import pycolmap
import torch
from torch import Tensor

from scenekit.capture.config import SfmConfig
from scenekit.capture.pairs import Pair
from scenekit.capture.photos import PhotoSet
from scenekit.errors import InputError
from scenekit.io.atomic import write_text
from scenekit.io.images import ImageInfo, write_upright

FEATURE_FIELDS = ("camera_model", "max_features", "first_octave", "max_image_size", "single_camera", "seed")
"""Options that a database depends on; with others changed it is used again."""

BLOCK = 128
"""Pairs that are matched between two writes: what an interruption can lose."""

Result = TypeVar("Result")


def supervised(call: Callable[[pycolmap.CancellationToken], Result], *, poll: Callable[[], None]) -> Result:
    """Runs a COLMAP call in a thread and calls `poll` meanwhile; an interruption cancels it and is raised on."""
    token = pycolmap.CancellationToken()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call, token)
        try:
            while wait([future], timeout=0.25).not_done:
                poll()
        except BaseException:
            token.cancel()
            raise
        poll()
        return future.result()


class SfmDatabase:
    """A folder with COLMAP's database, made for one set of photos and options; another set starts it afresh.

    Photos are staged under plain numbered names, since COLMAP ignores EXIF orientations, cannot read HEIC or WebP, and
    takes no spaces in its lists of pairs.
    """

    def __init__(self, folder: Path, photos: PhotoSet, config: SfmConfig):
        self.folder, self.photos, self.config = folder, photos, config
        self.file, self.staged, self.staged_masks = folder / "database.db", folder / "photos", folder / "masks"
        self.names = {f"{i:06d}{_suffix(info)}": name for i, (name, info) in enumerate(photos.infos.items())}
        key = self._key()
        key_file = folder / "key.json"
        if not key_file.is_file() or key_file.read_text() != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._stage()
            pycolmap.Database.open(self.file).close()
            self._import()
            write_text(key_file, key)  # last: a folder without it is not whole

    def _key(self) -> str:
        """What the database was made from."""
        files = [self.photos.root / name for name in self.photos.infos] + list(self.photos.masks.values())
        digest = hashlib.sha256()
        for file in files:
            status = file.stat()
            digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        options = {name: value for name, value in asdict(self.config).items() if name in FEATURE_FIELDS}
        return json.dumps({"photos": digest.hexdigest(), "pycolmap": pycolmap.__version__, **options})

    def _stage(self) -> None:
        self.staged.mkdir()
        for staged, name in self.names.items():
            source, target = self.photos.root / name, self.staged / staged
            if _is_plain(self.photos.infos[name]):
                _link(source, target)
            else:
                write_upright(source, target)
            if name in self.photos.masks:
                self.staged_masks.mkdir(exist_ok=True)
                _link(self.photos.masks[name], self.staged_masks / f"{staged}.png")

    def _watched(
        self,
        call: Callable[[pycolmap.CancellationToken], Result],
        count: Callable[[pycolmap.Database], int],
        progress: Callable[[int], None],
    ) -> Result:
        """Runs `call` and reports what `count` finds meanwhile.

        COLMAP's own SQLite watches: a second SQLite library on an open database in one process breaks its locks.
        """
        with closing(pycolmap.Database.open(self.file)) as database:
            return supervised(call, poll=lambda: progress(count(database)))

    def extract(self, options: pycolmap.FeatureExtractionOptions, *, progress: Callable[[int], None]) -> None:
        """Finds the features of photos that have none yet."""
        reader = pycolmap.ImageReaderOptions()
        if self.staged_masks.is_dir():
            reader.mask_path = self.staged_masks
        self._watched(
            lambda token: pycolmap.extract_features(
                self.file,
                self.staged,
                image_names=list(self.names),
                reader_options=reader,
                extraction_options=options,
                device=pycolmap.Device.cpu,
                cancellation_token=token,
            ),
            lambda database: sum(database.exists_keypoints(i.image_id) for i in database.read_all_images()),
            progress,
        )

    def _import(self) -> None:
        """Enters photos and lenses in order; left to the extraction, their numbers would depend on its threads."""
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = self.config.camera_model
        for lens in self._lenses():
            pycolmap.import_images(
                self.file, self.staged, camera_mode=pycolmap.CameraMode.SINGLE, image_names=lens, options=reader
            )

    def _lenses(self) -> list[list[str]]:
        """Staged names grouped by lens: same size and same EXIF, or only the same size if one camera was asked for."""
        groups: dict[tuple[object, ...], list[str]] = {}
        for staged, name in self.names.items():
            info = self.photos.infos[name]
            size = (info.width, info.height)
            key = {True: size, None: (*size, info.lens), False: (staged,)}[self.config.single_camera]
            groups.setdefault(key, []).append(staged)
        if self.config.single_camera and len(groups) > 1:
            got = "photos of " + ", ".join(f"{w}x{h}" for w, h in groups)
            raise InputError("single_camera", got=got, wanted="photos of one size")
        return list(groups.values())

    def strongest(self, k: int) -> Tensor:
        """Unit descriptors of the k largest features of each photo, zeros where there are fewer, shape (c, k, 128)."""
        result = torch.zeros(len(self.names), k, 128)
        with closing(pycolmap.Database.open(self.file)) as database:
            numbers = {image.name: image.image_id for image in database.read_all_images()}
            for i, name in enumerate(self.names):
                keypoints = np.asarray(database.read_keypoints(numbers[name]), dtype=np.float32)
                values = np.asarray(database.read_descriptors(numbers[name]).data)
                if not len(keypoints):
                    continue
                size = np.linalg.norm(keypoints[:, 2:4], axis=1) if keypoints.shape[1] == 6 else keypoints[:, 2]
                chosen = np.argsort(-size, kind="stable")[:k]
                result[i, : len(chosen)] = torch.from_numpy(values[chosen].astype(np.float32))
        return torch.nn.functional.normalize(result, dim=-1)

    def match(
        self, pairs: list[Pair], matching: pycolmap.FeatureMatchingOptions, *, progress: Callable[[int], None]
    ) -> None:
        """Matches and verifies pairs (numbers of photos) that are not in the database yet."""
        names = list(self.names)
        listing = self.folder / "pairs.txt"
        write_text(listing, "".join(f"{names[i]} {names[j]}\n" for i, j in pairs))
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path, pairing.block_size = listing, BLOCK
        verification = pycolmap.TwoViewGeometryOptions()
        verification.ransac.random_seed = self.config.seed
        self._watched(
            lambda token: pycolmap.match_image_pairs(
                self.file,
                matching_options=matching,
                pairing_options=pairing,
                verification_options=verification,
                device=pycolmap.Device.cpu,
                cancellation_token=token,
            ),
            pycolmap.Database.num_matched_image_pairs,
            progress,
        )

    def forget(self, staged: Iterable[str]) -> None:
        """Removes the features and matches of photos, so that they can be found anew."""
        with closing(pycolmap.Database.open(self.file)) as database:
            every = {image.name: image.image_id for image in database.read_all_images()}
        numbers = [every[name] for name in staged]
        pairs = {pycolmap.image_pair_to_pair_id(a, b) for a in numbers for b in every.values() if a != b}
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for table in ("keypoints", "descriptors"):
                connection.executemany(f"DELETE FROM {table} WHERE image_id = ?", [(n,) for n in numbers])
            for table in ("matches", "two_view_geometries"):
                connection.executemany(f"DELETE FROM {table} WHERE pair_id = ?", [(p,) for p in pairs])


def _is_plain(info: ImageInfo) -> bool:
    """True if COLMAP sees this file as we do."""
    return info.format in ("JPEG", "PNG") and info.mode in ("RGB", "L") and info.orientation == 1


def _suffix(info: ImageInfo) -> str:
    return ".png" if _is_plain(info) and info.format == "PNG" else ".jpg"


def _link(source: Path, target: Path) -> None:
    """A symbolic link, or a copy where the system has none."""
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
