"""The features stage: what it writes, however the work is cut, interrupted or spoilt."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from local import encoders
from local.encoders import kinds
from local.experiment import Features
from local.features import extract, merge
from local.features.shard import Shard
from local.probe import conditions as probe
from tests.local.features.conftest import Recipe
from utils import ark, data_dir
from utils.errors import UserError

ONE = Path("dump/small/one")


def run(recipe: Recipe, module: str, *options: str, code: str = "") -> subprocess.CompletedProcess:
    """Run a command of the stage as the driver does, after some code if given."""
    start = ["-c", f"{code}\nimport runpy, sys; runpy.run_module('{module}', run_name='__main__', alter_sys=True)"]
    root = Path(extract.__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, *(start if code else ["-m", module]), *options], cwd=recipe.folder, text=True,
        capture_output=True, env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def archives(name: str = "small") -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path("dump", name).glob("*/feats.*"))}


def test_each_utterance_of_the_emotions_has_what_the_encoder_gives_for_it_alone(recipe: Recipe) -> None:
    recipe.run()
    encoder = encoders.load(encoders.spec("small"))
    for corpus in ("one", "two"):
        emotion = data_dir.read_table(f"data/{corpus}/utt2emo")
        index = ark.read_scp(f"dump/small/{corpus}/feats.scp")
        assert list(index) == sorted(utt for utt in emotion if emotion[utt] != "bored")
        for utterance in data_dir.read_utterances(f"data/{corpus}"):
            if utterance.id in index:
                assert index[utterance.id].startswith(f"dump/small/{corpus}/feats.ark:")
                want = encoder.pooled([utterance.load()])[0]
                np.testing.assert_allclose(ark.load_mat(index[utterance.id]), want, rtol=0, atol=1e-5)
    assert json.loads((ONE / "info.json").read_text()) == {
        "encoder": "small", "layers": 4, "dim": 32, "precision": "fp32", "commit": "", "languages": [],
        "pretrained_on": ["two"], "finetuned_on": [], "unlisted": False,
    }  # fmt: skip
    assert (ONE / "excluded.tsv").read_text() == "item\treason\n"
    assert not list(Path("dump").glob("*/*/shard.*"))


def test_a_kind_of_encoder_from_outside(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "levels", "tests.local.encoders.made_up")
    with open("conf/encoders.yaml", "a") as file:
        file.write("loud: {kind: levels, layers: 2, dim: 3}\n")
    works = recipe.run(encoders=["loud"])
    one = data_dir.read_utterances("data/one")[0]
    level = np.array([np.abs(part).mean() for part in np.array_split(one.load(), 3)])
    matrix = ark.load_mat(ark.read_scp("dump/loud/one/feats.scp")[one.id])
    np.testing.assert_allclose(matrix, [level, level**2], rtol=1e-6)
    assert [work.why_stale() for work in works] == [None, None]
    code = set(works[0].stamp()["code"])
    assert "tests/local/encoders/made_up.py" in code
    assert not {f"local/encoders/{name}.py" for name in ("hf", "loading", "transformer", "logmel")} & code


def test_text_is_made_of_transcripts_and_a_corpus_without_any_is_left_out(recipe: Recipe) -> None:
    words = {utterance.id: f"{utterance.id[-1]} words" for utterance in data_dir.read_utterances("data/one")}
    Path("data/one/text").write_text("".join(f"{utterance} {value}\n" for utterance, value in words.items()))
    alone = run(recipe, "local.features.plan", "--set", "encoders=[text]", "--set", "corpora=[two]")
    assert alone.returncode == 1 and "none of the encoders text can run here" in alone.stderr
    done = run(recipe, "local.features.plan", "--set", "encoders=[text, duration]")
    assert done.stdout == "text,duration\n"
    assert "dump/text: skipped: data/two has no text or utt2sent, of which text is made\n" in done.stderr
    works = recipe.run(encoders=["text", "duration"], nj=2)
    assert sorted(str(path) for path in Path("dump").glob("*/*")) == [
        "dump/duration/one", "dump/duration/two", "dump/text/one"
    ]  # fmt: skip
    encoder = encoders.load(works[0].encoder)
    for utterance, place in ark.read_scp("dump/text/one/feats.scp").items():
        assert (ark.load_mat(place) == encoder.pooled([words[utterance]])[0]).all()
    # Conditions are asked for where there is something to ask of.
    asked = [(own["encoder"], own["train"], own["test"]) for own in probe.asked(recipe.experiment(encoders=["text"]))]
    assert asked == [("text", ("one",), "one")]
    Path("data/one/text").write_text("".join(f"{utterance} other\n" for utterance in words))
    assert "text" in works[0].why_stale() and works[2].why_stale() is None


def test_the_number_of_jobs_changes_no_bit(recipe: Recipe) -> None:
    recipe.run(nj=1)
    once = archives()
    for work in recipe.works():
        (work.directory / ".done").unlink()
    recipe.run(nj=3)
    assert archives() == once


def test_an_interruption_changes_no_bit(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe.run()
    want = archives()
    for work in recipe.works():
        (work.directory / ".done").unlink()
    write, written = Shard.write, []

    def interrupted(self: Shard, utterance: str, matrix: np.ndarray) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(utterance)
        write(self, utterance, matrix)

    monkeypatch.setattr(Shard, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recipe.run()
    monkeypatch.setattr(Shard, "write", lambda self, *what: (written.append(what[0]), write(self, *what)))
    recipe.run()
    assert archives() == want
    # Nothing was written twice.
    assert len(written) == len(set(written)) == 24


@pytest.mark.integration
def test_kill_minus_nine_changes_no_bit(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    fields = {"encoders": ["logmel"]}
    works = recipe.run(**fields)
    want = archives("logmel")
    for work in works:
        (work.directory / ".done").unlink()
    kill = (
        "import os\nfrom local.features.shard import Shard\nwrite = Shard.write\ncount = 0\n"
        "def killed(*arguments):\n"
        "    global count\n"
        "    write(*arguments)\n"
        "    count += 1\n"
        "    if count == 7: os.kill(os.getpid(), 9)\n"
        "Shard.write = killed\n"
    )
    assert run(recipe, "local.features.extract", "--encoder", "logmel", code=kill).returncode == -signal.SIGKILL
    assert len(ark.read_scp("dump/logmel/one/shard.1/feats.1.scp")) == 7
    with open("dump/logmel/one/shard.1/feats.1.ark", "ab") as file:
        file.write(b"half a matrix")
    with pytest.raises(UserError, match="9 utterances are missing, first one_"):
        merge.merge(works[0], 1)
    capsys.readouterr()
    recipe.run(**fields)
    assert "dump/logmel/one: going on" in capsys.readouterr().err
    assert archives("logmel") == want


def test_a_shard_that_two_jobs_wrote_is_made_again(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    works = recipe.run(corpora=["one"])
    want = archives()
    (ONE / ".done").unlink()
    extract.extract(works, 1, 1, "cpu")
    index = ONE / "shard.1/feats.1.scp"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join([*lines[:9], *lines[5:]]))
    with open(ONE / "shard.1/excluded.1.tsv", "a", encoding="utf-8") as file:
        file.write("one_s0-u000\tits feat")
    capsys.readouterr()
    recipe.run(corpora=["one"])
    assert "feats.1.scp:10: the key" in capsys.readouterr().err
    assert archives() == want and (ONE / "excluded.tsv").read_text() == "item\treason\n"


@pytest.mark.integration
def test_real_speech_gives_the_same_bits_for_any_jobs_and_threads(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, lines in tables(repo / "egs/mini/corpus", 24).items():
        Path("data/de").mkdir(parents=True, exist_ok=True)
        Path("data/de", name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    here, before, seen = Recipe(tmp_path), torch.get_num_threads(), {}
    fields = {"corpora": ["de"], "encoders": ["mini"], "features": Features(batch_seconds=8.0)}
    try:
        for nj, threads in ((1, 1), (1, 2), (2, 2), (2, 1), (5, 1)):
            torch.set_num_threads(threads)  # what OMP_NUM_THREADS sets
            here.run(nj=nj, **fields)
            seen[nj, threads] = Path("dump/mini/de/feats.ark").read_bytes()
            Path("dump/mini/de/.done").unlink()
    finally:
        torch.set_num_threads(before)
    assert len(set(seen.values())) == 1, [key for key in seen if seen[key] != seen[1, 1]]


def tables(corpus: Path, number: int) -> dict[str, list[str]]:
    """Make a data directory of so many utterances of the bundled corpus's German recordings."""
    with open(corpus / "metadata.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"] == "de"][:number]
    cut = [(f"{row['speaker']}-{place:03d}", row) for place, row in enumerate(rows)]
    cut.sort(key=lambda pair: pair[0])
    return {
        "wav.scp": sorted({f"{row['recording']} {corpus}/de/{row['recording']}.ogg" for row in rows}),
        "segments": [f"{utterance} {row['recording']} {row['start']} {row['end']}" for utterance, row in cut],
        "utt2spk": [f"{utterance} {row['speaker']}" for utterance, row in cut],
        "utt2emo": [f"{utterance} {row['emotion']}" for utterance, row in cut],
        "utt2dur": [f"{utterance} {float(row['end']) - float(row['start']):.6f}" for utterance, row in cut],
    }


def test_a_large_encoder_has_jobs_of_its_own(recipe: Recipe) -> None:
    with open("conf/encoders.yaml", "a") as file:
        file.write("base: {source: ./small, layers: 13, dim: 768}\n")
    plan = run(recipe, "local.features.plan", "--set", "encoders=[base, logmel, small]")
    assert plan.stdout == "logmel,small\nbase\n"


def test_a_rerun_does_nothing_and_says_so(recipe: Recipe) -> None:
    plan = run(recipe, "local.features.plan")
    assert plan.stdout == "logmel,small\n"
    assert plan.stderr.count("not made yet") == 4
    recipe.run(encoders=["logmel", "small"])
    before = {path: path.stat().st_mtime_ns for path in Path("dump").rglob("*")}
    plan = run(recipe, "local.features.plan")
    assert plan.stdout == "" and plan.stderr.count("up to date") == 4
    spy = "import sys, atexit\natexit.register(lambda: print('torch' in sys.modules))"
    again = run(recipe, "local.features.extract", "--encoder", "small", code=spy)
    assert again.stdout == "False\n" and again.stderr.count("up to date") == 2
    assert {path: path.stat().st_mtime_ns for path in Path("dump").rglob("*")} == before


def test_what_changes_makes_stale_what_depends_on_it_only(recipe: Recipe) -> None:
    fields = {"encoders": ["logmel", "small"]}
    works = recipe.run(**fields)
    table = Path("data/one/utt2dur")
    table.write_text(table.read_text().replace("one_s0-u000 1", "one_s0-u000 2", 1).replace("u000 0", "u000 1", 1))
    reasons = [work.why_stale() for work in works]
    assert [bool(reason) for reason in reasons] == [True, False, True, False]
    assert reasons[0] == "input data/one/utt2dur changed"
    recipe.run(**fields)
    weights = recipe.folder / "small/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert [work.why_stale() for work in works] == [None, None] + ["input small/model.safetensors changed"] * 2
    changed = recipe.works(emotions=["angry", "sad"])
    assert all("emotions changed" in work.why_stale() for work in changed)


def test_features_in_16_bits_are_other_features_of_half_the_size(recipe: Recipe) -> None:
    (work,) = recipe.run(corpora=["one"])
    # What was made before there was this choice stays valid.
    assert "features.storage" not in work.stamp()["config"]
    whole = ark.read_all(ONE / "feats.scp")
    size = (ONE / "feats.ark").stat().st_size
    half = Features(storage="float16")
    (other,) = recipe.works(corpora=["one"], features=half)
    assert other.why_stale() == "features.storage changed from unset to float16"
    recipe.run(corpora=["one"], features=half)
    assert other.why_stale() is None
    assert (ONE / "feats.ark").stat().st_size < 0.8 * size  # keys and heads are many beside so small a matrix
    found = ark.read_all(ONE / "feats.scp")
    assert found.dtype == np.float32 and not np.array_equal(found, whole)
    np.testing.assert_allclose(found, whole, rtol=2**-11, atol=1e-7)
    assert work.why_stale() == "features.storage changed from float16 to unset"


def test_a_shard_made_from_other_settings_is_not_used(recipe: Recipe) -> None:
    works = recipe.works(corpora=["one"])
    extract.extract(works, 1, 1, "cpu")
    fewer = recipe.works(corpora=["one"], emotions=["angry"])
    with pytest.raises(UserError, match="other data, settings or code"):
        merge.merge(fewer[0], 1)
    recipe.run(corpora=["one"], emotions=["angry"])
    assert list(ark.read_scp(ONE / "feats.scp")) == [f"one_s{n % 2}-u{n:03d}" for n in (0, 10)] + [
        f"one_s{n % 2}-u{n:03d}" for n in (5, 15)
    ]


def test_a_job_that_has_not_run_is_named(recipe: Recipe) -> None:
    works = recipe.works(corpora=["one"])
    extract.extract(works, 1, 2, "cpu")
    with pytest.raises(UserError, match="job 2 has not run"):
        merge.merge(works[0], 2)
    assert works[0].why_stale() == "not made yet"


def test_more_jobs_than_batches(recipe: Recipe) -> None:
    recipe.run(nj=40, corpora=["one"])
    assert len(ark.read_scp(ONE / "feats.scp")) == 16


def test_utterances_that_are_too_short_are_excluded_by_name(recipe: Recipe) -> None:
    for name, samples in (("one_s0-u000", 399), ("one_s1-u001", 400)):
        soundfile.write(recipe.folder / f"audio/one/{name}.wav", np.full(samples, 0.1), 16000)
    recipe.run(nj=2, corpora=["one"])
    assert (ONE / "excluded.tsv").read_text() == (
        "item\treason\none_s0-u000\tshorter than 400 samples at 16 kHz, which small needs\n"
    )
    index = ark.read_scp(ONE / "feats.scp")
    assert "one_s0-u000" not in index and "one_s1-u001" in index and len(index) == 15


def test_features_that_are_not_finite_are_excluded_by_name(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Shard.write
    monkeypatch.setattr(
        Shard, "write", lambda self, utterance, matrix: write(self, utterance, matrix / (utterance != "one_s0-u000"))
    )
    with np.errstate(divide="ignore"):
        recipe.run(corpora=["one"])
    assert "one_s0-u000\tits features are not finite" in (ONE / "excluded.tsv").read_text()


def test_nothing_left_is_an_error(recipe: Recipe) -> None:
    for path in (recipe.folder / "audio/one").iterdir():
        soundfile.write(path, np.full(100, 0.1), 16000)
    with pytest.raises(UserError, match="all 16 utterances are excluded: shorter than"):
        recipe.run(corpora=["one"])


def test_audio_that_cannot_be_read_is_named_and_the_rest_is_kept(recipe: Recipe) -> None:
    path = recipe.folder / "audio/one/one_s1-u003.wav"
    path.write_bytes(b"RIFF rubbish")
    with pytest.raises(UserError, match=f"utterance one_s1-u003: {path}: not readable as audio"):
        recipe.run(corpora=["one"])
    soundfile.write(path, np.full(9000, 0.1), 16000)
    recipe.run(corpora=["one"])
    assert len(ark.read_scp(ONE / "feats.scp")) == 16


def test_a_gpu_that_is_not_there_is_named(recipe: Recipe) -> None:
    with pytest.raises(UserError, match="device cuda:97"):
        extract.extract(recipe.works(), 1, 1, "cuda:97")


def test_segments_of_one_recording(recipe: Recipe) -> None:
    long = np.concatenate([soundfile.read(path)[0] for path in sorted((recipe.folder / "audio/one").iterdir())[:2]])
    soundfile.write(recipe.folder / "audio/long.wav", long, 16000, subtype="PCM_16")
    middle = len(long) // 2 / 16000
    folder = Path("data/cut")
    folder.mkdir()
    for name, lines in {
        "wav.scp": [f"rec {recipe.folder}/audio/long.wav"],
        "segments": [f"s-a rec 0 {middle:.6f}", f"s-b rec {middle:.6f} {len(long) / 16000:.6f}"],
        "utt2spk": ["s-a s", "s-b s"],
        "utt2emo": ["s-a sad", "s-b angry"],
    }.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    recipe.run(corpora=["cut"])
    encoder = encoders.load(encoders.spec("small"))
    want = encoder.pooled([long[: len(long) // 2].astype(np.float32), long[len(long) // 2 :].astype(np.float32)])
    np.testing.assert_allclose(ark.read_all("dump/small/cut/feats.scp"), want, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder", "smal"), "--encoder smal: not of this experiment"),
        (("--encoder", "small", "--job", "3", "--nj", "2"), "--job 3: expected 1 to --nj"),
        (("--encoder", "small", "--set", "corpora=[none]"), "data/none"),
    ],
)
def test_bad_calls_end_with_one_line(recipe: Recipe, options: tuple[str, ...], message: str) -> None:
    result = run(recipe, "local.features.extract", *options)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert message in result.stderr


def test_the_plan_skips_what_cannot_run_here_and_says_why(recipe: Recipe) -> None:
    hide = "import sys\nsys.modules['opensmile'] = None\nimport importlib.util as u\nfind = u.find_spec\n"
    hide += "u.find_spec = lambda name, *rest: None if name == 'opensmile' else find(name, *rest)\n"
    plan = run(recipe, "local.features.plan", "--set", "encoders=[egemaps, logmel]", code=hide)
    assert plan.stdout.split() == ["logmel"], plan.stderr
    assert "dump/egemaps: skipped: opensmile is not installed" in plan.stderr
    alone = run(recipe, "local.features.plan", "--set", "encoders=[egemaps]", code=hide)
    assert alone.returncode == 1 and "can run here" in alone.stderr
    missing = run(recipe, "local.features.plan", "--set", "encoders=[open]", code=hide)
    assert missing.returncode == 1 and "no encoder 'open'" in missing.stderr
    (recipe.folder / "small/config.json").unlink()
    missing = run(recipe, "local.features.plan")
    assert missing.returncode == 1 and "no checkpoint in" in missing.stderr


def test_the_log_shows_rate_and_time_left(recipe: Recipe, capsys: pytest.CaptureFixture) -> None:
    extract.extract(recipe.works(corpora=["two"], encoders=["logmel"]), 1, 1, "cpu")
    log = capsys.readouterr().err
    last = log.strip().split("\n")[-1]
    assert last.startswith("logmel on two: 100%, ") and "x real time" in last and last.endswith("00:00 left")
    assert "\r" not in log and log.count("100%") == 1


@pytest.mark.parametrize("module", ["plan", "extract", "merge"])
def test_help_imports_nothing_heavy(recipe: Recipe, module: str) -> None:
    code = "import sys, atexit\natexit.register(lambda: print('torch' in sys.modules))"
    helped = run(recipe, f"local.features.{module}", "--help", code=code)
    assert helped.returncode == 0 and helped.stdout.endswith("False\n")
