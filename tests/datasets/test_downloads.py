"""Downloads from a small server of our own that breaks off, changes its mind and lies; archives that are hostile."""

import hashlib
import json
import re
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scenekit.datasets import downloads
from scenekit.datasets.downloads import HASHES, Archive, downloaded, unpacked
from scenekit.errors import FileError, InputError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives `content`; what it is told to do wrong comes beside."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.ranges = CONTENT, '"1"', True
        self.breaks_after: list[int] = []
        """How much of each of the next answers is sent before the connection breaks."""
        self.kind, self.claims = "application/zip", None
        self.asked: list[str | None] = []
        """The Range of each request."""

    def handle_error(self, *_: object) -> None:
        """A client that has had enough is no error here."""

    def archive(self, **changes: object) -> Archive:
        url = f"http://127.0.0.1:{self.server_address[1]}/a.zip"
        return Archive(**{"url": url, "file": "a.zip", "limit": 2 * len(CONTENT), "sha256": SHA256, **changes})


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        partial = bool(wanted) and server.ranges and self.headers.get("If-Range") == server.tag
        body = server.content[start if partial else 0 :]
        if partial and not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(server.claims or len(body)))
        self.send_header("Content-Type", server.kind)
        self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(body[: server.breaks_after.pop(0)] if server.breaks_after else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetched(archive: Archive, folder: Path) -> Path:
    return downloaded(archive, folder, progress=False)


def test_a_file_comes_whole_and_is_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip", HASHES]


def test_a_connection_that_breaks_is_taken_up_where_it_was(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [300_000, 400_000]
    assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]


def test_another_process_goes_on_where_the_first_was_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [300_000, 0]
    with pytest.raises(FileError, match="goes on from there"):
        fetched(server.archive(), tmp_path)
    assert (tmp_path / "a.zip.part").stat().st_size == 300_000 and not (tmp_path / "a.zip").exists()
    assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_a_file_that_changed_in_between_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.content, server.tag, server.breaks_after = bytes(len(CONTENT)), '"0"', [300_000, 0]
    with pytest.raises(FileError):
        fetched(server.archive(), tmp_path)
    server.content, server.tag = CONTENT, '"1"'
    assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', ""])
def test_a_server_without_ranges_or_marks_starts_anew(server: Server, tmp_path: Path, tag: str) -> None:
    server.ranges, server.tag, server.breaks_after = False, tag, [300_000]
    assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_already_needs_only_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    (tmp_path / "a.zip.part.json").write_text(json.dumps({"mark": '"1"'}))
    assert fetched(server.archive(), tmp_path).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_of_it_stays(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(FileError, match="as published"):
        fetched(server.archive(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_hash_the_first_download_is_what_later_ones_must_be(server: Server, tmp_path: Path) -> None:
    archive = server.archive(sha256=None)
    fetched(archive, tmp_path).unlink()
    assert json.loads((tmp_path / HASHES).read_text()) == {archive.url: SHA256}
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(FileError, match="of the first download"):
        fetched(archive, tmp_path)


def test_a_file_that_was_tampered_with_on_the_disk_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    fetched(server.archive(), tmp_path).write_bytes(b"other")
    with pytest.raises(FileError, match="SHA-256"):
        fetched(server.archive(), tmp_path)
    assert (tmp_path / "a.zip").read_bytes() == b"other"


def test_a_truncated_answer_is_no_file(server: Server, tmp_path: Path) -> None:
    server.claims, server.ranges = len(CONTENT) + 10, False
    with pytest.raises(FileError, match="goes on from there"):
        fetched(server.archive(), tmp_path)
    assert not (tmp_path / "a.zip").exists()


def test_far_more_than_expected_is_not_even_begun(server: Server, tmp_path: Path) -> None:
    server.content = bytes(10 << 20)
    with pytest.raises(FileError, match="wanted at most"):
        fetched(server.archive(), tmp_path)
    assert not (tmp_path / "a.zip").exists()


def test_a_web_page_instead_of_the_file_is_said_to_be_one(server: Server, tmp_path: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(FileError, match=r"a web page.*browser.*--archive"):
        fetched(server.archive(), tmp_path)


def test_a_missing_server_and_other_schemes_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="--archive"):
        fetched(Archive("http://127.0.0.1:9/a.zip", "a.zip", 1), tmp_path)
    (tmp_path / "secret").write_text("x")
    with pytest.raises(InputError, match="https or http"):
        fetched(Archive((tmp_path / "secret").as_uri(), "a.zip", 1), tmp_path)


def zipped(path: Path, members: dict[str, bytes], **info: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            for key, value in info.items():
                setattr(entry, key, value)
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def of_garden(name: str) -> str | None:
    return name.removeprefix("garden/") if name.startswith("garden/") else None


def test_only_what_belongs_there_is_unpacked_and_takes_the_place_of_what_was(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"garden/": b"", "garden/images/1.jpg": b"1", "bonsai/images/1.jpg": b"2"})
    folder = tmp_path / "data" / "garden"
    folder.mkdir(parents=True)
    (folder / "old").touch()
    assert unpacked(archive, folder, of_garden) == 1
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == ["images", "images/1.jpg"]


@pytest.mark.parametrize(
    "name", ["garden/../../out", "garden//etc/out", "garden/a\\..\\..\\out", "garden/C:/out", "garden/.."]
)
def test_a_name_outside_of_the_folder_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"garden/fine": b"1", name: b"2"})
    with pytest.raises(FileError, match="inside its folder"):
        unpacked(archive, tmp_path / "in" / "garden", of_garden)
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip", "in"]


def test_links_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"garden/link": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(FileError, match="plain files"):
        unpacked(archive, tmp_path / "garden", of_garden)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"garden/zeros": bytes(40 << 20)})
    with pytest.raises(FileError, match="times the archive"):
        unpacked(archive, tmp_path / "garden", of_garden)


def test_damage_twins_and_other_archives_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = zipped(tmp_path / "a.zip", {"garden/1": bytes(range(256)) * 64})
    data = bytearray(file.read_bytes())
    data[60] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(FileError, match="damaged"):
        unpacked(file, tmp_path / "garden", of_garden)
    with pytest.raises(FileError, match="nothing that belongs there"):
        unpacked(zipped(tmp_path / "b.zip", {"other/1": b"1"}), tmp_path / "garden", of_garden)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("garden/1", b"1")
        archive.writestr("garden/1", b"2")
    with pytest.raises(FileError, match="twice"):
        unpacked(tmp_path / "c.zip", tmp_path / "garden", of_garden)
    (tmp_path / "d.zip").write_bytes(b"no zip")
    with pytest.raises(FileError, match="zip"):
        unpacked(tmp_path / "d.zip", tmp_path / "garden", of_garden)
    monkeypatch.setattr(downloads, "MAX_MEMBERS", 1)
    with pytest.raises(FileError, match="2 members"):
        unpacked(zipped(tmp_path / "e.zip", {"garden/1": b"1", "garden/2": b"2"}), tmp_path / "garden", of_garden)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".zip"] * 5
