"""Archives: what is ordinary is unpacked byte for byte, and what is hostile leaves nothing outside the folder."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.errors import UserError
from utils.unpack import is_archive, unpack

FILES = {"top/a.wav": bytes(range(256)) * 9, "top/ü/b c.txt": "Grüße".encode(), "top/empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to unpack into, in one that must stay as it is."""
    made = tmp_path / "outer/inner"
    made.mkdir(parents=True)
    return made


def zipped(path: Path, files: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
            made.writestr(info, content)
    return path


def tarred(path: Path, files: dict[str, bytes], **fields) -> Path:
    with tarfile.open(path, "w:" + path.name.partition(".tar")[2].removeprefix(".")) as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            made.addfile(info, io.BytesIO(content))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "A.ZIP"])
def test_round_trip(tmp_path: Path, folder: Path, name: str) -> None:
    assert is_archive(name)
    make = zipped if name.lower().endswith("zip") else tarred
    files = FILES | {"__MACOSX/top/._a.wav": b"x"}
    assert unpack(make(tmp_path / name, files), folder) == 3
    assert tree(folder) == FILES
    assert unpack(tmp_path / name, folder, strip=1) == 3
    assert tree(folder) == FILES | {name.removeprefix("top/"): content for name, content in FILES.items()}


def test_other_files_are_no_archives() -> None:
    assert not any(map(is_archive, ["a.wav", "a.flac", "zip", "a.zip.part"]))


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/out", "C:/out", "C:out", "..\\out", "a\\..\\..\\out", "\\out", "a\nb"]
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_no_path_leads_out(tmp_path: Path, folder: Path, name: str, make) -> None:
    archive = make(tmp_path / ("a.zip" if make is zipped else "a.tar"), {name: b"x"})
    with pytest.raises(UserError, match="the archive is refused"):
        unpack(archive, folder)
    assert not tree(tmp_path / "outer")
    # Not by leaving folders out either.
    with pytest.raises(UserError, match="the archive is refused"):
        unpack(archive, folder, strip=1)


@settings(deadline=None, max_examples=50)
@given(name=st.text("./\\aC: \n", min_size=1, max_size=12), strip=st.integers(0, 2), as_zip=st.booleans())
def test_whatever_the_name_nothing_lands_outside(
    tmp_path_factory: pytest.TempPathFactory, name: str, strip: int, as_zip: bool
) -> None:
    outer = tmp_path_factory.mktemp("names")
    folder = outer / "b/c/d"
    folder.mkdir(parents=True)
    archive = zipped(outer / "a.zip", {name: b"x"}) if as_zip else tarred(outer / "a.tar", {name: b"x"})
    with contextlib.suppress(UserError):
        unpack(archive, folder, strip)
    assert {path for path in outer.rglob("*") if folder not in path.parents} == {archive, *folder.parents, folder} - {
        outer, *outer.parents
    }  # fmt: skip


def test_backslashes_part_folders(tmp_path: Path, folder: Path) -> None:
    unpack(zipped(tmp_path / "a.zip", {"wav\\a.wav": b"x"}), folder)
    assert tree(folder) == {"wav/a.wav": b"x"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path: Path, folder: Path, kind: bytes) -> None:
    with pytest.raises(UserError, match="a link or a device"):
        unpack(tarred(tmp_path / "a.tar", {"a": b""}, type=kind, linkname="../.."), folder)
    assert not list(folder.iterdir())


def test_links_in_zips_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="a link or a device"):
        unpack(zipped(tmp_path / "a.zip", {"a": b"../.."}, stat.S_IFLNK | 0o777), folder)
    assert not list(folder.iterdir())


def test_nobody_gets_rights_from_an_archive(tmp_path: Path, folder: Path) -> None:
    unpack(tarred(tmp_path / "a.tar", {"a": b"x"}, mode=0o6777), folder)
    unpack(zipped(tmp_path / "a.zip", {"b": b"x"}, stat.S_IFREG | 0o6777), folder)
    assert {path.stat().st_mode & 0o7111 for path in folder.iterdir()} == {0}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_bomb_writes_nothing(tmp_path: Path, folder: Path, name: str) -> None:
    make = zipped if name == "a.zip" else tarred
    archive = make(tmp_path / name, {"bomb": bytes(80 << 20)})
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="unpack it by hand if that is right"):
        unpack(archive, folder)
    assert not list(folder.iterdir())


def test_many_small_bombs_count_together(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="more than 25,000 bytes"):
        unpack(zipped(tmp_path / "a.zip", {str(n): bytes(10_000) for n in range(9)}), folder, limit=25_000)
    assert sum(map(len, tree(folder).values())) <= 25_000


def test_a_size_that_lies_is_no_way_around(tmp_path: Path, folder: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": bytes(1_000_000)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10)))
    with pytest.raises(UserError, match="damaged"):
        unpack(archive, folder, limit=1_000)
    assert sum(map(len, tree(folder).values())) <= 10


def test_a_header_of_a_tar_cannot_fill_the_memory(tmp_path: Path, folder: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    with pytest.raises(UserError, match="a header of 1,073,741,824 bytes"):
        unpack(tmp_path / "a.tar.gz", folder)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_what_is_no_archive_says_so(tmp_path: Path, folder: Path, name: str) -> None:
    for content in (b"<html>Please log in</html>" * 99, b"", os.urandom(2000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="damaged, or no archive of its kind"):
            unpack(tmp_path / name, folder)


def test_every_cut_of_an_archive_is_noticed(tmp_path: Path, folder: Path) -> None:
    tar = tarred(tmp_path / "b.tar", FILES).read_bytes()
    whole = {"a.zip": zipped(tmp_path / "b.zip", FILES).read_bytes()}
    whole |= {"a.tar.gz": gzip.compress(tar), "a.tar.bz2": bz2.compress(tar)}
    # A block of zeros ends a tar; what follows is filling.
    whole["a.tar"] = tar[: -(len(tar.rstrip(b"\0")) // -512) * 512 + 512]
    for name, content in whole.items():
        for length in range(1, len(content), 97):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(UserError, match="damaged"):
                unpack(tmp_path / name, folder)


def test_encrypted_members_and_clashes(tmp_path: Path, folder: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": b"x"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(UserError, match="encrypted"):
        unpack(archive, folder)
    with pytest.raises(UserError, match="damaged"):
        unpack(zipped(tmp_path / "b.zip", {"a": b"x", "a/b": b"y"}), folder)
