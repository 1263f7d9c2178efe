"""Files from a real server: cut, refused, redirected, changed and wrong ones end as whole files or as clear errors."""

from __future__ import annotations

import hashlib
import random
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web import Web, serve
from utils.errors import UserError
from utils.fetch import _Redirect, digest_of, fetch

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as running:
        running.files["/a.zip"] = CONTENT
        yield running


def get(web: Web, folder: Path, **options) -> bytes:
    assert fetch(f"{web.address}/a.zip", folder / "a.zip", pause=0.0, **options) == SHA256
    # Nothing else stays.
    assert [path.name for path in folder.iterdir()] == ["a.zip"]
    return (folder / "a.zip").read_bytes()


def test_a_file_arrives_with_its_digest(web: Web, tmp_path: Path) -> None:
    md5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    assert get(web, tmp_path, size=len(CONTENT), digest=md5) == CONTENT
    assert digest_of(tmp_path / "a.zip", "md5") == md5
    assert web.asked == [("/a.zip", "")]


def test_a_cut_connection_goes_on_where_it_was(web: Web, tmp_path: Path) -> None:
    web.cut = [100_000, 50_000]
    assert get(web, tmp_path) == CONTENT
    assert [wanted for _, wanted in web.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(web: Web, tmp_path: Path) -> None:
    web.cut = [100_000, 0, 0, 0, 0, 0]
    with pytest.raises(UserError, match="100,000 bytes have arrived, and the same command goes on there"):
        get(web, tmp_path)
    assert not (tmp_path / "a.zip").exists()
    web.asked.clear()
    assert get(web, tmp_path) == CONTENT
    assert web.asked == [("/a.zip", "bytes=100000-")]


def test_what_was_whole_when_the_run_was_killed_is_not_fetched_again(web: Web, tmp_path: Path) -> None:
    web.cut = [299_999, 0, 0, 0, 0, 0]
    with pytest.raises(UserError):
        get(web, tmp_path)
    with open(tmp_path / "a.zip.part", "ab") as file:
        file.write(CONTENT[-1:])
    assert get(web, tmp_path) == CONTENT
    assert web.asked[-1] == ("/a.zip", "bytes=300000-")


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', ""])
def test_a_server_without_parts_starts_afresh(web: Web, tmp_path: Path, tag: str, capsys) -> None:
    web.ranges, web.cut, web.tag = False, [100_000], tag
    assert get(web, tmp_path) == CONTENT
    assert "does not go on at byte 100,000; starting afresh" in capsys.readouterr().err


def test_parts_of_two_versions_are_never_joined(web: Web, tmp_path: Path) -> None:
    web.files["/a.zip"], web.cut, web.tag = bytes(400_000), [100_000, 0, 0, 0, 0, 0], '"0"'
    with pytest.raises(UserError):
        get(web, tmp_path)
    part = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    web.files["/a.zip"], web.tag = CONTENT, '"1"'
    assert get(web, tmp_path) == CONTENT
    # A server that tags nothing shows it by the length; another URL has nothing to do with it.
    for changed in (('"0"', '""'), ("/a.zip", "/b.zip")):
        (tmp_path / "a.zip").unlink()
        for name, content in part.items():
            (tmp_path / name).write_bytes(content.replace(*(word.encode() for word in changed)))
        assert get(web, tmp_path) == CONTENT


def test_a_chunked_answer_that_is_cut_is_not_taken_for_whole(web: Web, tmp_path: Path) -> None:
    web.chunked, web.cut = True, [100_000]
    assert get(web, tmp_path) == CONTENT
    assert len(web.asked) == 2


def test_a_wrong_checksum_leaves_nothing(web: Web, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{SHA256}, expected sha256:00, and was thrown away"):
        get(web, tmp_path, digest="sha256:00")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="the digest 'crc:1' is not understood"):
        get(web, tmp_path, digest="crc:1")


def test_redirects_are_followed_with_the_range(web: Web, tmp_path: Path) -> None:
    web.redirects["/old.zip"] = "/a.zip"
    web.cut = [100_000]
    assert fetch(f"{web.address}/old.zip", tmp_path / "a.zip", pause=0.0) == SHA256
    assert web.asked[-2:] == [("/old.zip", "bytes=100000-"), ("/a.zip", "bytes=100000-")]
    for elsewhere, said in (("file:///etc/hostname", "not allowed"), ("ftp://127.0.0.1/b", "which is not followed")):
        web.redirects["/old.zip"] = elsewhere
        with pytest.raises(UserError, match=f"{elsewhere}.*{said}"):
            fetch(f"{web.address}/old.zip", tmp_path / "b.zip", pause=0.0)
    secret = urllib.request.Request("https://a.example/b")
    with pytest.raises(UserError, match="https://a.example/b: leads to http://a.example/b"):
        _Redirect().redirect_request(secret, None, 302, "Found", {}, "http://a.example/b")
    with pytest.raises(UserError, match="expected a URL that begins with https"):
        fetch("file:///etc/hostname", tmp_path / "b.zip")


def test_what_is_gone_ends_at_once_and_what_is_busy_is_tried_again(web: Web, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="/b.zip: the server says 404 Not Found"):
        fetch(f"{web.address}/b.zip", tmp_path / "b.zip", pause=0.0)
    assert len(web.asked) == 1
    web.failures = [503, 429]
    assert get(web, tmp_path) == CONTENT
    web.failures = [500] * 5
    with pytest.raises(UserError, match="the server says 500"):
        fetch(f"{web.address}/a.zip", tmp_path / "b.zip", pause=0.0)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with serve() as web:
        pass
    with pytest.raises(UserError, match="refused.*; 0 bytes have arrived"):
        fetch(f"{web.address}/a.zip", tmp_path / "a.zip", pause=0.0)


def test_sizes_are_held_to(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="has a file of 300,000 bytes, expected 299,999"):
        get(web, tmp_path, size=299_999)
    web.chunked = True
    with pytest.raises(UserError, match="more than the expected 299,999 bytes came"):
        get(web, tmp_path, size=299_999)
    web.chunked = False
    for path in tmp_path.iterdir():
        path.unlink()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=299_999))
    with pytest.raises(UserError, match="no room for the 300,000 bytes to come"):
        get(web, tmp_path)
