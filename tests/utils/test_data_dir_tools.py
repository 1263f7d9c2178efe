"""Fixing, cutting and joining data directories, and the commands that do it."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.utils.data_dirs import data_dir, snapshot, tables, write_table
from utils import data_dir as dd
from utils import data_dir_ops as ops
from utils import data_dir_parts as parts
from utils.data_dir_check import validate
from utils.errors import UserError

REPO = Path(__file__).resolve().parents[2]
QUIET = settings(
    deadline=None, derandomize=True, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(command: str, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess:
    """Run one of the shell commands."""
    script = REPO / "utils" / f"{command}.sh"
    # Naming the Python saves the search for one on every call.
    environment = {**os.environ, "XSER_PYTHON": sys.executable}
    return subprocess.run(
        [script, *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False, env=environment
    )


def hush(line: str) -> None:
    """Say nothing."""


# --- fix


@QUIET
@given(seed=st.integers(0, 2**32), segments=st.booleans())
def test_fix_mends_what_chance_breaks_and_then_rests(tmp_path, seed, segments):
    chance = random.Random(seed)
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    directory = data_dir(tmp_path, segments=segments, speakers=4)
    lost = {"utt": set(), "spk": set(), "reco": set()}
    for path in sorted(path for path in directory.iterdir() if path.name != "spk2utt"):
        lines = path.read_text().splitlines()
        gone = chance.sample(lines, chance.choice([0, 0, 1, 2]))
        lost[dd.keyed_by(path.name)] |= {line.split()[0] for line in gone}
        lines = [line for line in lines if line not in gone]
        lines += chance.sample(lines, chance.choice([0, 1])) + [""] * chance.choice([0, 1])
        chance.shuffle(lines)
        path.write_text(chance.choice(["\n", "\r\n"]).join(lines) + chance.choice(["", "\n"]), newline="")
    if chance.random() < 0.5:
        (directory / "spk2utt").unlink()
    full = tables(tmp_path / "audio", segments=segments, speakers=4)
    left = {
        utterance
        for utterance, speaker in full["utt2spk"].items()
        if utterance not in lost["utt"] | lost["reco"]
        and speaker not in lost["spk"]
        and not (segments and f"{speaker}-all" in lost["reco"])
    }
    before = snapshot(directory)
    if not left:
        with pytest.raises(UserError, match="not proceeding further"):
            ops.fix(directory, hush)
        assert snapshot(directory) == before
        return
    ops.fix(directory, hush)
    assert set(dd.read_table(directory / "utt2spk")) == left
    assert ops.read_tables(directory)["utt2emo"] == {u: e for u, e in full["utt2emo"].items() if u in left}
    validate(directory)
    fixed = snapshot(directory)
    if fixed != before:
        assert snapshot(directory / ".backup") == before
    ops.fix(directory, hush)
    assert snapshot(directory) == fixed
    if fixed != before:
        assert snapshot(directory / ".backup") == before, "a second run must not overwrite the backup with fixed files"


def test_fix_says_what_it_did_and_warns_of_folds(tmp_path):
    directory = data_dir(tmp_path)
    fold = directory / "folds" / "speaker" / "0"
    fold.mkdir(parents=True)
    (fold / "train").write_text("c_s0-u0\n")
    (fold / "test").write_text("c_s1-u0\n")
    lines = (directory / "utt2emo").read_text().splitlines(keepends=True)
    (directory / "utt2emo").write_text("".join([*lines[:4], *lines[5:], lines[0]]))
    result = run("fix_data_dir", directory)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.replace(str(directory), "D").splitlines() == [
        "fix_data_dir.sh: D/utt2emo: removing 1 blank or repeated lines, the first is line 12",
        "fix_data_dir.sh: D/utt2emo: has nothing for 1 of 12 utterances, the first is c_s1-u0",
        "fix_data_dir.sh: kept 11 of 12 utterances",
        "fix_data_dir.sh: old files are kept in D/.backup",
        "fix_data_dir.sh: WARNING: 1 lists in D/folds name utterances that are gone, such as c_s1-u0 in "
        "D/folds/speaker/0/test; make the folds again",
    ]
    assert (fold / "test").read_text() == "c_s1-u0\n"
    assert "c_s1-u0" not in (directory / "wav.scp").read_text()


def test_fix_does_extra_files_and_refuses_what_it_cannot_mend(tmp_path):
    directory = data_dir(tmp_path)
    shutil.copy(directory / "text", directory / "text.tc")
    write_table(directory / "utt2emo", {"c_s0-u0": "sad", "c_s1-u2": "sad"})
    assert run("fix_data_dir", "--utt_extra_files", "text.tc none", directory).returncode == 0
    assert list(dd.read_table(directory / "text.tc")) == ["c_s0-u0", "c_s1-u2"]
    (directory / "utt2emo").write_text("c_s1-u2 sad\nc_s0-u0\n")
    with pytest.raises(UserError, match="utt2emo:2: expected"):
        ops.fix(directory, hush)
    write_table(directory / "utt2spk", {"c_s0-u0": "z", "c_s1-u2": "c_s1"})
    (directory / "utt2emo").unlink()
    (directory / "spk2gender").unlink()
    with pytest.raises(UserError, match="make speaker ids prefixes"):
        ops.fix(directory, hush)


# --- subset


def test_subset_keeps_what_goes_with_the_utterances(tmp_path):
    directory = data_dir(tmp_path, segments=True)
    (tmp_path / "list").write_text("c_s2-u3\nc_s0-u1\nc_s9-u9\n")
    result = run("subset_data_dir", "--utt-list", tmp_path / "list", directory, tmp_path / "some")
    assert result.returncode == 0, result.stderr
    assert "1 of the 3 names" in result.stdout and "c_s9-u9" in result.stdout
    assert "reducing #utt from 12 to 2" in result.stdout
    validate(tmp_path / "some")
    some, full = ops.read_tables(tmp_path / "some"), ops.read_tables(directory)
    assert some.keys() == full.keys()
    assert list(some["utt2spk"]) == list(some["segments"]) == ["c_s0-u1", "c_s2-u3"]
    assert list(some["wav.scp"]) == ["c_s0-all", "c_s2-all"]
    assert some["spk2gender"] == {"c_s0": "f", "c_s2": "f"}
    assert all(full[name][key] == value for name in some if name != "spk2utt" for key, value in some[name].items())


@QUIET
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), number=st.integers(1, 12))
def test_per_spk_takes_so_many_of_each_speaker(sizes, number):
    utt2spk = {f"s{s}-u{u}": f"s{s}" for s, size in enumerate(sizes) for u in range(size)}
    chosen = parts.choose({"utt2spk": utt2spk}, Path("d"), "per-spk", number)
    counts = Counter(utt2spk[utterance] for utterance in chosen)
    assert counts == {f"s{s}": min(size, number) for s, size in enumerate(sizes)}
    assert len(set(chosen)) == len(chosen)


@QUIET
@given(total=st.integers(1, 60), data=st.data())
def test_spread_takes_distinct_items_from_throughout(total, data):
    number = data.draw(st.integers(1, total))
    items = [f"{index:02d}" for index in range(total)]
    chosen = parts.spread(items, number)
    assert chosen == sorted(set(chosen)) and len(chosen) == number and set(chosen) <= set(items)
    halves = Counter(int(item) < total // 2 for item in chosen)
    assert total == 1 or halves[True] == number // 2


def test_subsets_by_number(tmp_path):
    directory = data_dir(tmp_path)
    full = ops.read_tables(directory)
    utterances = list(full["utt2spk"])
    assert parts.choose(full, directory, "first", 3) == utterances[:3]
    assert parts.choose(full, directory, "last", 3) == utterances[-3:]
    shortest = parts.choose(full, directory, "shortest", 4)
    lengths = {utterance: float(value) for utterance, value in full["utt2dur"].items()}
    assert sorted(lengths[utterance] for utterance in shortest) == sorted(lengths.values())[:4]
    whole = parts.choose(full, directory, "speakers", 5)
    assert list(Counter(full["utt2spk"][u] for u in whole).values()) == [4, 4]
    assert parts.choose(full, directory, "spread", 12) == utterances
    with pytest.raises(UserError, match="cannot subset to 13 utterances, there are only 12"):
        parts.choose(full, directory, "spread", 13)
    del full["utt2dur"]
    with pytest.raises(UserError, match="neither utt2dur nor segments"):
        parts.choose(full, directory, "shortest", 4)


@pytest.mark.parametrize(
    ("options", "count"),
    [([5], 5), (["--first", 5], 5), (["--last", 5], 5), (["--shortest", 5], 5), (["--per-spk", 2], 6),
     (["--speakers", 5], 8)],
)  # fmt: skip
def test_the_command_writes_the_same_valid_subset_each_time(tmp_path, options, count):
    directory = data_dir(tmp_path)
    *flags, number = options
    for target in ("once", "twice"):
        assert run("subset_data_dir", *flags, directory, number, tmp_path / target).returncode == 0
    validate(tmp_path / "once")
    assert snapshot(tmp_path / "once") == snapshot(tmp_path / "twice")
    assert len(dd.read_utterances(tmp_path / "once")) == count


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{d}", "x", "{t}"], 2, "<num-utt> must be a positive whole number, got 'x'"),
        (["{d}", "0", "{t}"], 2, "must be a positive whole number"),
        (["{d}", "-3", "{t}"], 2, "must be a positive whole number"),
        (["{d}", "{t}"], 2, "expected <srcdir> <num-utt> <destdir>"),
        (["--spk-list", "{l}", "{d}", "3", "{t}"], 2, "expected <srcdir> <destdir>"),
        (["--first", "--last", "{d}", "3", "{t}"], 2, "not allowed with"),
        (["--sample", "{d}", "3", "{t}"], 2, "unrecognized arguments: --sample"),
        (["--spk-list", "{l}", "{d}", "{t}"], 1, "names nothing that is in"),
        (["{d}", "3", "{d}"], 1, "would replace the source"),
        (["{d}", "3", "{d}/.."], 1, "would replace the source"),
        (["{t}", "3", "{d}"], 1, "no such data directory"),
    ],
)
def test_a_wrong_subset_is_refused_and_nothing_touched(tmp_path, arguments, status, message):
    directory = data_dir(tmp_path)
    (tmp_path / "list").write_text("nobody\n")
    before = snapshot(directory)
    filled = [a.format(d=directory, t=tmp_path / "target", l=tmp_path / "list") for a in arguments]
    result = run("subset_data_dir", *filled)
    assert result.returncode == status and message in result.stderr and "Traceback" not in result.stderr
    assert snapshot(directory) == before and not (tmp_path / "target").exists()


# --- split and combine


@QUIET
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=12), per_utt=st.booleans(), data=st.data())
def test_split_is_a_balanced_partition(sizes, per_utt, data):
    utt2spk = {f"s{s:02d}-u{u:02d}": f"s{s:02d}" for s, size in enumerate(sizes) for u in range(size)}
    number = data.draw(st.integers(1, len(utt2spk) if per_utt else len(sizes)))
    cut = parts.partition(Path("d"), utt2spk, number, per_utt)
    assert len(cut) == number and all(cut)
    assert [utterance for part in cut for utterance in part] == list(utt2spk)
    if per_utt:
        assert {len(part) for part in cut} <= {len(utt2spk) // number, len(utt2spk) // number + 1}
        return
    speakers = [{utt2spk[utterance] for utterance in part} for part in cut]
    assert all(not left & right for left, right in itertools.combinations(speakers, 2))
    # Moving one speaker across a boundary makes no neighbouring parts more alike in size.
    for left, right in itertools.pairwise(cut):
        for speaker, sign in ((utt2spk[left[-1]], 1), (utt2spk[right[0]], -1)):
            moved = 2 * sign * list(utt2spk.values()).count(speaker)
            assert abs(len(right) - len(left)) <= abs(len(right) - len(left) + moved)


@pytest.mark.parametrize(("sizes", "number", "expected"), [
    ([10, 1, 1, 1, 1], 2, [[10], [1, 1, 1, 1]]),  # Kaldi's split_scp.pl gives these
    ([5, 5, 5, 5, 20], 2, [[5, 5, 5, 5], [20]]),
    ([3, 9, 3, 3, 9, 3, 3], 3, [[3, 9, 3], [3, 9], [3, 3]]),
])  # fmt: skip
def test_split_balances_as_kaldi_does(sizes, number, expected):
    utt2spk = {f"s{s}-u{u:02d}": f"s{s}" for s, size in enumerate(sizes) for u in range(size)}
    cut = parts.partition(Path("d"), utt2spk, number, per_utt=False)
    assert [list(Counter(utt2spk[u] for u in part).values()) for part in cut] == expected


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("per_utt", [False, True])
def test_combining_a_split_gives_the_original(tmp_path, segments, per_utt):
    directory = data_dir(tmp_path, segments=segments, speakers=5)
    result = run("split_data", *["--per-utt"] * per_utt, directory, 3)
    assert result.returncode == 0, result.stderr
    pieces = [directory / f"split3{'utt' * per_utt}" / str(number) for number in (1, 2, 3)]
    for piece in pieces:
        validate(piece)
    result = run("combine_data", tmp_path / "again", *reversed(pieces))
    assert result.returncode == 0 and "WARNING" not in result.stdout, result.stderr
    assert snapshot(tmp_path / "again") == snapshot(directory)


def test_split_is_redone_only_when_the_data_changed(tmp_path):
    directory = data_dir(tmp_path)
    parts.split(directory, 2, False, hush)
    said: list[str] = []
    parts.split(directory, 2, False, said.append)
    assert said == [f"{directory}/split2 is up to date, skipping it"]
    write_table(directory / "utt2emo", dict.fromkeys(dd.read_table(directory / "utt2spk"), "sad"))
    os.utime(directory / "utt2emo", (1, 1))  # by a clock that was set back
    parts.split(directory, 2, False, hush)
    assert set(dd.read_table(directory / "split2" / "1" / "utt2emo").values()) == {"sad"}
    (directory / "utt2emo").unlink()
    parts.split(directory, 2, False, hush)
    assert not (directory / "split2" / "1" / "utt2emo").exists()
    with pytest.raises(UserError, match="cannot split 3 speakers into 4 parts; ask for fewer, or use --per-utt"):
        parts.split(directory, 4, False, hush)


def _prefixed(root: Path, prefix: str, **options) -> Path:
    directory = data_dir(root / prefix, **options)
    for path in list(directory.iterdir()):
        text = re.sub(r"\bc_s", f"{prefix}_s", path.read_text())
        path.write_text(text.replace(f"/{prefix}_s", "/c_s"))
    return directory


def test_combine_joins_directories_and_says_what_it_leaves_out(tmp_path):
    one, two = _prefixed(tmp_path, "a"), _prefixed(tmp_path, "b", segments=True)
    shutil.copy(one / "text", one / "text.tc")
    shutil.copy(two / "text", two / "text.tc")
    (two / "utt2lang").unlink()
    result = run("combine_data", "--extra-files", "text.tc", tmp_path / "all", one, two)
    assert result.returncode == 0, result.stderr
    assert f"WARNING: leaving out utt2lang, which {two} does not have" in result.stdout
    assert f"{one}: making segments from utt2dur" in result.stdout
    validate(tmp_path / "all")
    combined = ops.read_tables(tmp_path / "all")
    assert "utt2lang" not in combined and len(combined["utt2spk"]) == 24
    assert combined["segments"]["a_s0-u0"] == f"a_s0-u0 0.0 {float(combined['utt2dur']['a_s0-u0']):.2f}".rstrip("0")
    assert len(dd.read_table(tmp_path / "all" / "text.tc")) == 24
    for utterance in dd.read_utterances(tmp_path / "all"):
        assert len(utterance.load()) == round(16000 * utterance.duration)


def test_combine_refuses_conflicts_and_to_eat_its_sources(tmp_path):
    one = data_dir(tmp_path / "one")
    two = data_dir(tmp_path / "two")
    emotions = dd.read_table(two / "utt2emo")
    shutil.copy(one / "wav.scp", two / "wav.scp")
    write_table(two / "utt2emo", {**emotions, "c_s1-u1": "neutral"})
    with pytest.raises(UserError, match="utt2emo:6: c_s1-u1 is 'neutral' here but 'very happy' in .*one/data/utt2emo"):
        ops.combine(tmp_path / "all", [one, two], hush)
    before = snapshot(one)
    for target in (one, one.parent):
        with pytest.raises(UserError, match="would replace the source"):
            ops.combine(target, [two, one], hush)
    assert snapshot(one) == before and not (tmp_path / "all").exists()


# --- commands


def test_validate_speaks_as_kaldi_does(tmp_path):
    directory = data_dir(tmp_path)
    result = run("validate_data_dir", "--no-feats", "--no-text", directory)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"validate_data_dir.sh: Successfully validated data-directory {directory}\n"
    (directory / "spk2gender").write_text("c_s0 f\nc_s1 x\nc_s2 f\n")
    result = run("validate_data_dir", directory)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: {directory}/spk2gender:2: the gender 'x' is neither f nor m; correct the line\n"
    assert run("validate_data_dir", directory, "more").returncode == 2
    alone = data_dir(tmp_path / "alone", speakers=1)
    result = run("validate_data_dir", alone)
    assert result.returncode == 0 and "only one speaker" in result.stdout


def test_utt2spk_and_spk2utt_are_each_others_inverse(tmp_path):
    directory = data_dir(tmp_path)
    spk2utt = run("utt2spk_to_spk2utt", directory / "utt2spk").stdout
    assert spk2utt == (directory / "spk2utt").read_text()
    assert run("spk2utt_to_utt2spk", stdin=spk2utt).stdout == (directory / "utt2spk").read_text()
    result = run("utt2spk_to_spk2utt", stdin="a-1 a\na-2 a b\n")
    assert result.returncode == 1 and "stdin:2: expected '<utterance> <speaker>'" in result.stderr


COMMANDS = ["validate_data_dir", "fix_data_dir", "subset_data_dir", "combine_data", "split_data", "utt2spk_to_spk2utt",
            "spk2utt_to_utt2spk"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = run(command, "--help")
    assert result.returncode == 0 and f"{command}.sh" in result.stdout and "e.g.: " in result.stdout
