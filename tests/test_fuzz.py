"""Parsers given files that are spoilt: what they cannot read is a UserError of one line, and nothing hangs.

``HYPOTHESIS_PROFILE=fuzz python3 -m pytest tests/test_fuzz.py`` gives each 10,000, others each time; ``-k 'ZED or
rttm'`` gives them to some of the parsers.
"""

from __future__ import annotations

import argparse
import re
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from local import experiment
from local.corpora import iemocap, pavoque, shemo, table, thai_ser, writer, zed
from local.corpora import registry as corpora_registry
from local.corpora.prepare import fingerprint
from local.corpora.registry import CorpusSpec
from local.encoders import registry as encoders_registry
from local.features import shard
from local.grid import manifest
from local.listen import answers, webmushra
from local.sed.model import published as diarizers
from local.splits import emobox, published
from utils import ark, csv_file, stamp
from utils.data_dir import read_persons, read_utt2, read_utterances
from utils.data_dir_check import validate
from utils.errors import UserError
from utils.feature_cache import InputCache
from utils.folds import read_excluded, read_folds
from utils.rttm import format_rttm, read_rttm
from utils.table import format_table, read_list
from utils.textgrid import format_textgrid

CASES = max(200, settings.default.max_examples)
SECONDS = 30  # longer is a hang, on a busy machine too
WORDS = {"joy": "happy", "neutral": "neutral", "happy": "happy", "angry": "angry", "sadness": "sad"}

# What parsers stumble over: put in, or in the place of a word.
_NASTY = r"""
| ' " { } [ ] ( ) - , ; : # = % & * ! @ ~ < > ` $ \ nan inf -inf -1 0 1e999 1e-999 -0.0 null true no None 0x1f 1_000 ١ ²
\ud800 \u0000 ../../x /dev/stdin -rf |:1 -:0 .:0 &a *a !!set !!python/name:os.system ${x} ${oc.env:HOME} {{x}} <<: ---
... ? é 2026-01-01 'a' <b>
""".split() + [  # noqa: SIM905
    *"\0\n\r\t\ufeff\u2028\u0085\u00a0\u202e ", "9" * 400, "9" * 5000, "[" * 3000, "{a: " * 800, '{"a":' * 3000,
    "a" * 5000, "\r\n", "touch ran |", "&a [*a]", "&a {<<: *a}",
]  # fmt: skip
_BYTES = [word.encode() for word in _NASTY] + [b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\0BFM ", b"\0BCM "]


def spoil(example: bytes, edits: Iterable[tuple[str, int, int, bytes]]) -> bytes:
    """Change a file: each edit is what is done, where, to how much of it, and what is put in."""
    for what, place, length, new in edits:
        place %= len(example) + 1
        if what == "word":
            words = list(re.finditer(rb"[\w.+-]+", example))
            if words:
                word = words[place % len(words)]
                example = example[: word.start()] + new + example[word.end() :]
        elif what == "line":
            lines = example.split(b"\n")
            lines.insert(place % len(lines), lines[length % len(lines)])
            example = b"\n".join(lines)
        elif what == "flip" and place < len(example):
            example = example[:place] + bytes([example[place] ^ 1 << length % 8]) + example[place + 1 :]
        else:
            put = new if what == "put" else b""
            end = len(example) if what == "cut" else place if what == "put" else place + length
            example = example[:place] + put + example[end:]
    return example


EDIT = st.tuples(
    st.sampled_from(["word", "word", "put", "delete", "line", "flip", "cut"]), st.integers(0, 1 << 16),
    st.integers(0, 40), st.sampled_from(_BYTES) | st.binary(max_size=4),
)  # fmt: skip


def spoilt(example: bytes) -> st.SearchStrategy[bytes]:
    """Draw what a file may have become, or, more rarely, any bytes."""
    return st.lists(EDIT, min_size=1, max_size=5).map(partial(spoil, example)) | st.binary(max_size=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold what the parsers read beside the spoilt file."""
    root = tmp_path_factory.mktemp("fuzz")
    wave = 0.1 * np.random.default_rng(0).standard_normal(4000)
    for name in ("a_1.wav", "sentences/a.wav", "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
                 "pavoque-angry.wav"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, wave, 16000)
    for name in ("audio", "Session1/dialog/EmoEvaluation", "conf", "folds/0", "probe", "cache/k"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "utt2spk").write_text("a-1 a\na-2 a\nb-1 b\n")
    (root / "wav.scp").write_text(f"r1 {root}/a_1.wav\nr2 {root}/a_1.wav\n")
    for part in ("train", "dev", "test"):
        (root / "folds/0" / part).write_text("a-1\n")
    ark.write(root / "whole", [("a", np.eye(3, 4)), ("b", np.ones((3, 4)))])
    (root / "cache/k/inputs.f16").write_bytes(bytes(4000))
    (root / "label_map.json").write_text('{"joy": "happy", "neu": "neutral"}')
    return root


def build(root: Path, module: object, spec: CorpusSpec) -> None:
    """Read a corpus and make a data directory's tables of it, as stage 1 does."""
    module.check(root, spec)
    items = list(module.scan(root, spec))
    fingerprint(items)
    prepared = writer.build(items, spec, WORDS, root if root.is_dir() else root.parent)
    for name, own in prepared.tables.items():
        format_table(root / name, own)
    for row in prepared.excluded:
        writer._one_line(row.item).encode()


def read_data(path: Path) -> None:
    """Read a data directory in all ways."""
    for read in (read_utterances, read_persons, lambda data: read_utt2(data, "emo"), validate):
        try:
            read(path.parent)
        except UserError as error:
            one_line(error)


def read_matrices(path: Path) -> None:
    """Read what an index names."""
    for place in ark.read_scp(path).values():
        ark.load_mat(place)


def spec(name: str, **fields: object) -> CorpusSpec:
    """Describe a corpus."""
    return CorpusSpec(name=name, module=name, language="en", published=name, **fields)


def load_experiment(path: Path) -> None:
    """Read an experiment."""
    experiment.load(argparse.Namespace(config=path, overrides=[]))


def override(path: Path) -> None:
    """Set a field of an experiment to what the file says."""
    own = path.with_name("plain.yaml")
    own.write_text("corpora: [mini_de]\nencoders: [mini]\n")
    text = path.read_bytes().decode(errors="surrogateescape")
    experiment.load(argparse.Namespace(config=own, overrides=[text]))


def finished(path: Path) -> None:
    """Read a manifest and what it names."""
    for entry in manifest.read(path.parent):
        entry.why_unfinished()
        manifest.system_name("probe", entry.factors, manifest.varied([entry.factors]))


def registered(path: Path) -> None:
    """Look entries up."""
    look = {"corpora.yaml": corpora_registry, "encoders.yaml": encoders_registry}[path.name]
    look.spec("mine", path.parents[1])


def stamped(path: Path) -> None:
    """Read a stamp."""
    stamp.why_stale(path.parent, stamp.make({"a": 1}, [], []))
    list(stamp.damage(path.parent))


def cached(path: Path) -> None:
    """Read the index of a cache."""
    list(InputCache.damage(path.parent))


CLIPS = [answers.Clip("c1", "u1", "de", "de", "s1", "", "angry"), answers.Clip("c2", "u2", "de", "de", "s", "", "sad")]
MEANINGS = {"angry": "angry", "sad": "sad"}
ZED = (
    '{"a_1": {"wav": "datafolder/a_1.wav", "duration": 0.25, "emotion": [{"emo": "happy", "start": 0.05, "end": 0.1}], '
    '"transcription": "x"}, "b_2": {"wav": "b.wav", "duration": 1, "emotion": []}}'
)
IEMOCAP = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
)
TABLE = "path\tspeaker\temotion\tgender\tstart\tend\na_1.wav\ts1\tjoy\tf\t0\t0.1\na_1.wav\ts2\tneutral\tm\t0.1\t0.2\n"
LSS = 'session_test_id,email,age,trial_id,stimuli_rating,stimuli,rating_time\nemo,ann,"3,0",c1," angry ",c1,43\n'
EXPERIMENT = (
    "corpora: [mini_de, mini_en]\nencoders: [mini, logmel]\nsplit: {scheme: speaker, folds: 3, seed: 1}\n"
    "probe: {epochs: 3, heads: [linear], pairs: [within], lr: 1e-3}\nstudy:\n  smoke: false\n"
)
DIARIZER = (
    "wav2vec2_hub: microsoft/wavlm-large\nwindow_length: 1\nstride: 1\nwav2vec2: !new:a.B\n  output_norm: True\n"
    "input_norm: !new:speechbrain.processing.features.InputNormalization\n  norm_type: sentence\n  std_norm: False\n"
    "encoder: !apply:os.system [touch ran]\nother: !ref <x>\n"
)
MANIFEST = '{"name": "mini.linear.a-a", "factors": {"encoder": "mini", "method": "linear"}, "settings": "0a"}\n'
CACHE = '{"shape": [2], "places": {"a|0|1": [0, 3], "b|0|1": [3, 4]}, "sums": {"a|0|1": 12}}'
RTTM = "SPEAKER a 1 0.0 1.5 <NA> <NA> happy <NA> <NA>\n;; x\nSPEAKER a 1 2 1 <NA> <NA> sad <NA> <NA>\n"
ANSWERS = (
    "listener,group,task,trial,utt,language,emotion,answer,plays,rt_ms,start,end,time,consent,simulated\n"
    "ann,g,choice,1,u1,de,angry,sad,2,10.5,,,,v1,false\n"
)
LABELS = "'n' => 0\n'h' => 1\n's' => 2\n'a' => 3\n====\n'starting_index' => 0\n"
THAI = '{"s001_clip_actor001_script1_1_1a.wav": [{"majority_emo": "Happy", "agreement": 0.8}], "x": [{}]}'

PARSERS: dict[str, tuple[str, str | bytes, Callable[[Path], object]]] = {
    "scp": ("feats.scp", "a {folder}/whole.ark:2\nb {folder}/whole.ark:67\n", read_matrices),
    "ark": ("spoilt.ark", b"", lambda path: [ark.load_mat(f"{path}:{offset}") for offset in (2, 67)]),
    "wav.scp": ("wav.scp", "a-1 {folder}/a_1.wav\na-2 sox x |\nb-1 {folder}/a_1.wav\n", read_data),
    "segments": ("segments", "a-1 r1 0.0 0.1\na-2 r1 0.1 0.2\nb-1 r2 0.0 0.25\n", read_data),
    "utt2spk": ("utt2spk", "a-1 a\na-2 a\nb-1 b\n", read_data),
    "utt2dur": ("utt2dur", "a-1 0.5\na-2 1\nb-1 2.0\n", read_data),
    "text": ("text", "a-1 one two\na-2\nb-1 three\n", read_data),
    "list": ("folds/0/train", "a-1\nb-1 x\n", lambda path: (read_list(path), read_folds(path.parents[1]))),
    "excluded": ("excluded.tsv", "item\treason\na-1\ttoo short\n", read_excluded),
    "rttm": ("ref.rttm", RTTM, lambda path: format_rttm(own for found in read_rttm(path).values() for own in found)),
    "csv": ("x.csv", 'a,b\n1,"2,3"\n', csv_file.read),
    "EmoEvaluation": (
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
        IEMOCAP,
        lambda path: build(path.parents[3], iemocap, spec("iemocap")),
    ),
    "ZED": ("ZED.json", ZED, lambda path: build(path.parent, zed, spec("zed"))),
    "table.tsv": ("own.tsv", TABLE, lambda path: build(path, table, spec("table"))),
    "table.csv": ("own.csv", TABLE.replace("\t", ","), lambda path: build(path, table, spec("table"))),
    "PAVOQUE": (
        "pavoque-angry.yaml",
        "- prompt: a\n  style: angry\n  start: 0.0\n  end: 0.1\n  text: Nein\n",
        lambda path: build(path.parent, pavoque, spec("pavoque")),
    ),
    "ShEMO": (
        "shemo.json",
        '{"F01A01": {"transcript": "x", "emotion": "anger"}}',
        lambda path: shemo._annotations(path.parent),
    ),
    "THAI": ("emotion_label.json", THAI, lambda path: list(thai_ser.scan(path.parent, spec("thai_ser")))),
    "EmoBox": (
        "fold.jsonl",
        '{"wav": "a/b.wav", "emo": "joy", "start_time": 1.5}\n{"wav": "c.wav", "emo": "neu"}\n',
        lambda path: emobox._rows(path, emobox._words(path.parent)),
    ),
    "label_map": ("label_map.json", '{"joy": "happy", "neu": "neutral"}', lambda path: emobox._words(path.parent)),
    "published lists": ("1.csv", "file,answer\na/x.wav,Angry\n", published.read_list),
    "webMUSHRA": ("lss.csv", LSS, lambda path: webmushra.read(path, CLIPS, MEANINGS, "email")),
    "answers": ("answers.csv", ANSWERS, answers.read_answers),
    "clips": (
        "clips.csv",
        "clip,utt,corpus,language,speaker,sentence,emotion\nc1,u1,de,de,s1,,angry\n",
        answers.read_clips,
    ),
    "experiment": ("experiment.yaml", EXPERIMENT, load_experiment),
    "--set": ("override", "probe.heads=[linear, mlp]", override),
    "corpora.yaml": (
        "conf/corpora.yaml",
        "mine: {module: table, language: it, root: x, expected: {speakers: 3}}\n",
        registered,
    ),
    "encoders.yaml": (
        "conf/encoders.yaml",
        "mine: {kind: hf, source: ./x, layers: 3, dim: 8, languages: [de]}\n",
        registered,
    ),
    "hyperparams": ("hyperparams.yaml", DIARIZER, diarizers._settings),
    "label_encoder": ("label_encoder.txt", LABELS, diarizers._labels),
    "manifest": ("probe/manifest.jsonl", MANIFEST, finished),
    "stamp": (".done", '{"config": {"a": 1}, "code": {}, "inputs": {}, "files": {"utt2spk": "5:ab"}}', stamped),
    "cache": ("cache/k/index.json", CACHE, cached),
    "shard": (
        "job.1.json",
        '{"stamp": {"a": 1}, "precision": "fp32", "commit": ""}',
        lambda path: shard.read(path.parent, 1, {"a": 1}),
    ),
}


def one_line(error: UserError) -> None:
    """Make sure that an error is a line that a terminal can show."""
    assert "\n" not in str(error), str(error)
    str(error).encode(errors="surrogateescape")


def _hangs(number: int, frame: object) -> None:
    raise TimeoutError(f"still at it after {SECONDS} s")


@pytest.mark.integration
@pytest.mark.parametrize("name", PARSERS)
def test_a_spoilt_file_is_read_or_refused_in_one_line(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    where, text, parse = PARSERS[name]
    path = folder / where
    example = text if isinstance(text, bytes) else text.replace("{folder}", str(folder)).encode()
    if name == "ark":
        example = (folder / "whole.ark").read_bytes()
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(example)
    parse(path)  # what is not spoilt is read

    @settings(max_examples=CASES, deadline=None)
    @given(spoilt(example))
    def case(content: bytes) -> None:
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            parse(path)
        except UserError as error:
            one_line(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    handler = signal.signal(signal.SIGALRM, _hangs)
    try:
        case()
    finally:
        signal.signal(signal.SIGALRM, handler)
        path.unlink() if before is None else path.write_bytes(before)
    assert not (folder / "ran").exists()


TIMES = st.floats() | st.sampled_from([0.0, 0.1, 0.5, 1.0])


@settings(max_examples=CASES, deadline=None)
@given(TIMES, st.dictionaries(st.text(max_size=5), st.lists(st.tuples(TIMES, TIMES, st.text(max_size=5)), max_size=4)))
def test_a_textgrid_is_written_or_refused(duration: float, tiers: dict) -> None:
    try:
        text = format_textgrid("x.TextGrid", duration, tiers)
    except UserError as error:
        assert "\n" not in str(error) or any("\n" in name for name in tiers)
        return
    assert text.count("intervals: size") >= len(tiers)
