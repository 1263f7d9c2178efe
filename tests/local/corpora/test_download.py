"""Stage 0 as a user runs it: a corpus from a real server, its licence, its digests, and what is left when it fails."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from local.corpora import download, iemocap, names, registry, spec
from tests.web import Web, serve
from utils.config import read_yaml
from utils.errors import UserError, run_main


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


URDU = zipped({f"URDU-master/{emotion}/SM1_F1_{emotion[0]}01.wav": b"RIFF" for emotion in ("Angry", "Sad")})


class Result(NamedTuple):
    """What a run came to."""

    returncode: int
    stdout: str
    stderr: str


class Recipe:
    """A recipe of the corpora that it names, and a server."""

    def __init__(self, folder: Path, web: Web, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture):
        self.folder, self.web, self.db = folder, web, folder / "db"
        self._patch, self._capture = patch, capture
        (folder / "conf").mkdir()
        patch.chdir(folder)

    def write(self, entries: dict, corpora: list[str]) -> None:
        (self.folder / "conf/corpora.yaml").write_text(yaml.safe_dump(entries))
        (self.folder / "conf/experiment.yaml").write_text(f"corpora: {corpora}\nencoders: [mini]\n")

    def run(self, *options: str, typed: str | None = None) -> Result:
        """Run the command; ``typed`` is what somebody at a terminal answers."""
        self._patch.setattr(sys, "argv", ["download", "--config=conf/experiment.yaml", "--db-root=db", *options])
        stdin = io.StringIO(typed or "")
        stdin.isatty = lambda: typed is not None
        self._patch.setattr(sys, "stdin", stdin)
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            run_main(download.main)
        signal.signal(signal.SIGTERM, handler)
        return Result(end.value.code, *self._capture.readouterr())

    def record(self, corpus: str) -> dict:
        return json.loads((self.db / f"{corpus}.download.json").read_text())


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Iterator[Recipe]:
    with serve() as web:
        made = Recipe(tmp_path, web, monkeypatch, capsys)
        web.files["/urdu.zip"] = URDU
        made.write({"urdu": {"download": [{"url": f"{web.address}/urdu.zip", "strip": 1}]}}, ["urdu"])
        yield made


def test_a_corpus_is_fetched_once_its_licence_is_accepted(recipe: Recipe) -> None:
    refused = recipe.run()
    assert refused.returncode == 1
    assert "licence: research only" in refused.stdout and "https://github.com/siddiquelatif" in refused.stdout
    assert "nothing is downloaded before you accept" in refused.stderr and "--accept-licence urdu" in refused.stderr
    assert not recipe.web.asked and not recipe.db.exists()

    recipe.web.cut = [100]
    done = recipe.run("--accept-licence", "urdu")
    assert done.returncode == 0, done.stderr
    assert {path.relative_to(recipe.db).as_posix() for path in recipe.db.rglob("*") if path.is_file()} == {
        "urdu.download.json", "urdu/Angry/SM1_F1_A01.wav", "urdu/Sad/SM1_F1_S01.wav"
    }  # fmt: skip
    digest = f"sha256:{hashlib.sha256(URDU).hexdigest()}"
    assert f"urdu.zip: {digest} (recorded; a later download must be the same)" in done.stdout
    record = recipe.record("urdu")
    assert record["licence"] == "research only" and record["accepted"]
    assert record["files"] == {f"{recipe.web.address}/urdu.zip": digest}

    asked = len(recipe.web.asked)
    again = recipe.run()
    assert (again.returncode, len(recipe.web.asked)) == (0, asked)
    assert again.stdout == f"urdu: {recipe.db}/urdu is there\n"


def test_a_later_download_must_be_the_same(recipe: Recipe) -> None:
    assert recipe.run("--accept-licence=urdu").returncode == 0
    (recipe.db / "urdu").rename(recipe.folder / "old")
    recipe.web.files["/urdu.zip"] = URDU + b"comment"
    changed = recipe.run()  # the licence was accepted already
    assert changed.returncode == 1
    assert "was sha256:" in changed.stderr and "remove " in changed.stderr
    assert not (recipe.db / "urdu").exists()
    recipe.web.files["/urdu.zip"] = URDU
    assert recipe.run().returncode == 0
    # Another licence is another question.
    (recipe.db / "urdu").rename(recipe.folder / "older")
    entries = read_yaml(recipe.folder / "conf/corpora.yaml")
    entries["urdu"]["licence"] = "ask first"
    recipe.write(entries, ["urdu"])
    assert "licence: ask first" in recipe.run().stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"../../out.wav": b"x"}), "a path that leads out of the folder"),
        (zipped({"top/other.wav": b"x"}), "what was downloaded does not look like it"),
        (b"<html>Log in</html>", "damaged, or no archive"),
        (None, "the server says 404"),
    ],
)
def test_what_is_wrong_leaves_no_corpus(recipe: Recipe, content: bytes | None, said: str) -> None:
    if content is None:
        del recipe.web.files["/urdu.zip"]
    else:
        recipe.web.files["/urdu.zip"] = content
    result = recipe.run("--accept-licence=urdu")
    assert result.returncode == 1 and said in result.stderr and "Traceback" not in result.stderr
    assert not (recipe.db / "urdu").exists()
    assert not [path for path in recipe.folder.rglob("*") if path.name == "out.wav" or path.suffix == ".tmp"]


def test_a_wrong_checksum_is_refused(recipe: Recipe) -> None:
    item = {"url": f"{recipe.web.address}/urdu.zip", "strip": 1, "digest": "md5:" + 32 * "0"}
    recipe.write({"urdu": {"download": [item]}}, ["urdu"])
    result = recipe.run("--accept-licence=urdu")
    assert result.returncode == 1 and "expected md5:000" in result.stderr
    assert not (recipe.db / "urdu").exists()


def test_several_files_make_a_corpus_and_what_arrived_is_kept(recipe: Recipe) -> None:
    address = recipe.web.address
    recipe.web.files["/metadata.tsv"] = b"path\tspeaker\temotion\na.wav\ts\tangry\n"
    items = [{"url": f"{address}/{name}"} for name in ("metadata.tsv", "a%20b.zip")]
    recipe.write({"own": {"module": "table", "language": "it", "download": items}}, ["own"])
    assert "404" in recipe.run("--accept-licence", "own").stderr
    recipe.web.files["/a%20b.zip"] = zipped({"a.wav": b"RIFF"})
    result = recipe.run()
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (recipe.db / "own").iterdir()) == ["a.wav", "metadata.tsv"]
    assert [path for path, _ in recipe.web.asked].count("/metadata.tsv") == 1


def test_others_are_told_what_to_ask_for_and_where(recipe: Recipe) -> None:
    entries = read_yaml(recipe.folder / "conf/corpora.yaml")
    recipe.write(entries, ["urdu", "iemocap"])
    result = recipe.run("--accept-licence=urdu")
    assert result.returncode == 1
    assert "licence: on request, research only\n  where:   https://sail.usc.edu/iemocap/\n" in result.stdout
    assert "how:     form at SAIL, University of Southern California\n" in result.stdout
    assert f"goes to: {recipe.db}/iemocap, which then holds {iemocap.LAYOUT}\n" in result.stdout
    assert "see:     egs/iemocap/README.md\n" in result.stdout
    assert "not to be had without you: iemocap (see above)" in result.stderr
    assert (recipe.db / "urdu").is_dir()


def test_words_that_are_not_understood(recipe: Recipe) -> None:
    assert "did you mean 'urdu'" in recipe.run("--accept-licence", "urd").stderr
    for item, said in (({"url": "x", "md5": "0"}, "unknown key 'md5'"), ({"path": "x"}, "expected a url or a dataset")):
        recipe.write({"urdu": {"download": [item]}}, ["urdu"])
        assert said in recipe.run("--accept-licence=urdu").stderr
    recipe.write({"urdu": {"download": [{"url": "http://x/y.zip"}]}}, ["urdu"])
    recipe.db.mkdir()
    (recipe.db / "urdu.download.json").write_text("[]")
    assert "not a record of a download" in recipe.run("--accept-licence=urdu").stderr


def test_somebody_at_a_terminal_is_asked(recipe: Recipe) -> None:
    assert "nothing is downloaded" in recipe.run(typed="no\n").stderr
    assert not recipe.web.asked
    result = recipe.run(typed="yes\n")
    assert result.returncode == 0 and "Do you accept the licences of urdu" in result.stdout
    assert (recipe.db / "urdu").is_dir()


def test_one_download_at_a_time_and_leftovers_go(recipe: Recipe) -> None:
    work = recipe.db / "urdu.download"
    work.mkdir(parents=True)
    left = recipe.db / ".urdu.abcdefgh.tmp"
    left.mkdir()
    with open(work / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another download of it is under way" in recipe.run("--accept-licence=urdu").stderr
        assert left.exists()
    assert recipe.run().returncode == 0
    assert not left.exists() and not work.exists()
    # Killed when all was done but the tidying.
    work.mkdir()
    (work / ".lock").touch()
    assert recipe.run().returncode == 0
    assert not work.exists()


def test_every_entry_that_offers_a_download_is_sound(tmp_path: Path) -> None:
    offered = [spec(name, tmp_path) for name in names(tmp_path) if spec(name, tmp_path).download]
    assert {corpus.name for corpus in offered} >= {"emodb", "ravdess", "urdu", "nemo", "subesco", "thai_ser"}
    for corpus in offered:
        found = download.items(corpus)
        assert len({item.name for item in found}) == len(found)
        assert all(item.name and item.url.startswith("http") for item in found)
        assert "request" not in corpus.licence and corpus.access == "download"
        with pytest.raises(UserError, match="or run with --stage download"):
            registry.root_of(corpus, tmp_path, tmp_path)
