"""The features stage on full, closed and failing disks, and when what it has made or read is no longer that."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import verify
from local.features import extract, merge
from local.features.work import Work
from local.splits import digests
from local.verify import damage
from tests import disks
from tests.local.features.conftest import Recipe
from utils import ark, data_dir
from utils.errors import UserError, run_main
from utils.table import format_table

ONE = Path("dump/small/one")


def ends(main: Callable, *options: str) -> int:
    """Run a command, if it takes an encoder on ``small``; give its status."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        encoder = [] if main is verify.main else ["--encoder", "small"]
        patch.setattr(sys, "argv", ["command", *encoder, *options])
        run_main(main)
    return ended.value.code


def made(works: list[Work]) -> dict[str, np.ndarray]:
    """Read all features."""
    return {str(work.directory): ark.read_all(work.directory / "feats.scp") for work in works}


def test_a_full_disk_is_one_line_and_what_is_there_counts(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    want = made(recipe.run())
    shutil.rmtree("dump")
    with disks.full(Path("dump"), 24576):
        assert ends(extract.main) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert "dump/small/" in error and "No space left on device; make room" in error
        assert ends(merge.main) == 1  # nothing half-made is taken for whole
        assert "/dump/small/one/" in capsys.readouterr().err
        assert all(work.why_stale() == "not made yet" for work in recipe.works())
        shutil.copytree("dump", "moved")
    Path("dump").rmdir()
    Path("moved").rename("dump")
    works = recipe.run()
    assert all(np.array_equal(found, want[name]) for name, found in made(works).items())


def test_merging_on_a_full_disk_keeps_the_parts(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    (work,) = recipe.works(corpora=["one"])
    extract.extract([work], 1, 1, "cpu")
    shutil.move("dump", "parts")
    with disks.full(Path("dump"), 32768):
        shutil.copytree("parts", "dump", dirs_exist_ok=True)
        Path("dump/ballast").write_bytes(bytes(8192))
        options = ("--set", "corpora=[one]", "--set", "encoders=[small]")
        assert ends(merge.main, *options) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {Path.cwd() / ONE}/") and "No space left" in error
        assert not list(ONE.glob(".*.tmp")) and not (ONE / ".done").exists()
        Path("dump/ballast").unlink(missing_ok=True)
        shutil.copytree("dump", "moved")
    Path("dump").rmdir()
    Path("moved").rename("dump")
    assert ends(merge.main, *options) == 0 and work.why_stale() is None


def test_a_closed_disk_is_one_line(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    Path("dump").mkdir()
    with disks.read_only(Path("dump")) as words:
        assert ends(extract.main) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert f"dump/small: {words}; make it writable" in error


def test_a_truncated_archive_is_an_error_where_it_is_read_and_made_again_by_its_stage(recipe: Recipe) -> None:
    works = recipe.run()
    want, path = made(works), ONE / "feats.ark"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"feats.ark:.*remove {ONE} and rerun the features stage"):
        ark.read_all(ONE / "feats.scp")
    size = path.stat().st_size
    assert works[0].why_stale() == f"{path} has {size} bytes, not the {size + 100} that were written"
    assert all(np.array_equal(found, want[name]) for name, found in made(recipe.run()).items())
    (ONE / "excluded.tsv").unlink()
    assert works[0].why_stale() == f"{ONE}/excluded.tsv is missing"


def test_a_flipped_bit_is_found_by_its_checksum(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    works = recipe.run()
    capsys.readouterr()
    assert ends(verify.main) == 0 and capsys.readouterr().out == "all is as it was made\n"
    path = ONE / "feats.ark"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert works[0].why_stale() is None  # reading everything at each run would cost too much
    assert ends(verify.main) == 1
    assert capsys.readouterr().out == (
        f"{path} does not have the checksum of what was written; remove {ONE} and run its stage again\n1 damaged\n"
    )
    shutil.rmtree(ONE)
    recipe.run()
    assert list(damage([Path("dump")], [])) == []


def test_audio_that_changed_and_kept_its_length(recipe: Recipe) -> None:
    folder = Path("data/one")

    def listen() -> None:
        found, _ = digests.digest_all(folder)
        text = format_table(folder / "utt2digest", {one.utterance: one.samples for one in found})
        (folder / "utt2digest").write_text(text)

    listen()
    works = recipe.run()
    assert list(damage([], [folder])) == []
    utterance = data_dir.read_utterances(folder)[3]
    samples, rate = soundfile.read(utterance.source)
    soundfile.write(utterance.source, -samples, rate, subtype="PCM_16")
    (found,) = damage([], [folder])
    assert found.startswith(f"{utterance.source} is not the audio that stage 1 read of {utterance.id}; restore it")
    listen()
    assert [work.why_stale() for work in works] == [f"input {folder}/utt2digest changed", None]
