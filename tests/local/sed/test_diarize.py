"""The command: any audio in; RTTM, JSON, TextGrids and pictures out; nothing at all where one file is bad."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import encoders
from local.experiment import Experiment
from local.grid.conditions import Training
from local.sed import diarize
from local.sed.conditions import STAGE
from local.sed.model import decode
from local.sed.model.decode import Decoder
from local.sed.model.diarizer import Diarizer
from local.sed.model.load import load
from tests.conftest import REPO
from utils import audio, config
from utils.errors import UserError
from utils.rttm import Segment, read_rttm, write_rttm

EMOTIONS = ["angry", "happy", "neutral", "sad"]
SPEECH = REPO / "egs" / "mini" / "corpus"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diarizer with the shipped encoder and a random classifier whose posteriors are far from even."""
    import torch

    diarizer = Diarizer(encoders.load(encoders.spec("mini", REPO / "egs" / "mini")), EMOTIONS, "frozen", seed=3)
    with torch.no_grad():
        diarizer.classifier.weight *= 5
    diarizer.decoder = Decoder("median", 11)
    folder = tmp_path_factory.mktemp("model")
    diarizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of German as WAV, as FLAC at another rate with two channels, and as short Ogg."""
    folder = tmp_path_factory.mktemp("speech")
    samples = audio.load(SPEECH / "de" / "de1-sed.ogg", 0.0, 3.1)
    soundfile.write(folder / "a.wav", samples, 16000)
    high = np.interp(np.arange(0, 3.1, 1 / 44100), np.arange(len(samples)) / 16000, samples)
    soundfile.write(folder / "b.flac", np.stack([high, high], axis=1), 44100)
    soundfile.write(folder / "c.ogg", samples[:8000], 16000)
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, speech: Path):
    """Run the command in the folder of speech, give what it prints; nothing may come on standard error."""
    monkeypatch.chdir(speech)

    def run(*arguments: object, folder: Path | str = model) -> str:
        monkeypatch.setattr("sys.argv", ["diarize", "--model", str(folder), *map(str, arguments)])
        diarize.main()
        printed = capsys.readouterr()
        assert printed.err == ""  # no progress bar where there is no terminal
        return printed.out

    return run


def parse(rttm: str, tmp_path: Path) -> dict[str, list[Segment]]:
    (tmp_path / "out.rttm").write_text(rttm)
    return read_rttm(tmp_path / "out.rttm")


def test_rttm_holds_what_model_and_decoder_say(call, model: Path, tmp_path: Path) -> None:
    found = parse(call("c.ogg", "a.wav", "b.flac"), tmp_path)
    assert list(found) == ["a", "b", "c"]
    diarizer = load(model)
    for name, file in (("a", "a.wav"), ("b", "b.flac"), ("c", "c.ogg")):
        samples = audio.load(file)
        duration = len(samples) / 16000
        own = decode.decode(diarizer.posteriors(samples), name, duration, EMOTIONS, Decoder("median", 11))
        assert [segment.label for segment in found[name]] == [segment.label for segment in own]
        assert [segment.end for segment in found[name]] == pytest.approx([segment.end for segment in own], abs=6e-4)
        assert [segment.start for segment in found[name]] == [0.0] + [segment.end for segment in found[name][:-1]]
    assert len(found["a"]) > 1
    assert found["a"][-1].end == found["b"][-1].end == pytest.approx(3.1)


def test_json_holds_the_same_and_the_posteriors(call, model: Path, tmp_path: Path) -> None:
    rttm = parse(call("a.wav", "c.ogg"), tmp_path)
    short = json.loads(call("--json", "a.wav", "c.ogg"))
    assert short["emotions"] == EMOTIONS
    for entry, path in zip(short["utterances"], ("a.wav", "c.ogg"), strict=True):
        assert entry["path"] == path and "posteriors" not in entry
        segments = [Segment(entry["utterance"], s["start"], s["end"], s["emotion"]) for s in entry["segments"]]
        assert segments == rttm[entry["utterance"]]
    long = json.loads(call("--json", "--posteriors", "a.wav"))
    assert (long["frame_hop"], long["first_frame"]) == (0.02, 0.0125)
    expected = load(model).posteriors(audio.load("a.wav"))
    np.testing.assert_allclose(long["utterances"][0]["posteriors"], expected, atol=1e-5)
    assert expected.shape == (154, 4)


def test_a_model_without_a_decoder_gives_each_frame_its_likeliest_emotion(call, model: Path, tmp_path: Path) -> None:
    diarizer = load(model)
    diarizer.decoder = None
    diarizer.save(tmp_path / "raw")
    found = json.loads(call("--json", "--posteriors", "a.wav", folder=tmp_path / "raw"))["utterances"][0]
    labels = np.argmax(found["posteriors"], axis=1)
    assert len(found["segments"]) == 1 + np.count_nonzero(np.diff(labels))


def intervals(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    tiers = re.split(r"item \[\d+\]:", path.read_text(encoding="utf-8"))[1:]
    pattern = r"intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = \"(.*)\""
    return {
        re.search(r'name = "(.*)"', tier).group(1): [
            (float(start), float(end), label) for start, end, label in re.findall(pattern, tier)
        ]
        for tier in tiers
    }


def test_reference_textgrids_and_pictures(call, tmp_path: Path) -> None:
    truth = {"a": [Segment("a", 0.0, 1.5, "neutral"), Segment("a", 1.5, 3.1, "sad")],
             "c": [Segment("c", 0.1, 0.4, "angry")]}  # fmt: skip
    write_rttm(tmp_path / "ref.rttm", [segment for own in truth.values() for segment in own])
    out = tmp_path / "new" / "out"
    shown = ("--json", "--textgrid", out, "--picture", out)
    printed = call(*shown, "--reference", tmp_path / "ref.rttm", "a.wav", "c.ogg")
    assert sorted(path.name for path in out.iterdir()) == ["a.TextGrid", "a.png", "c.TextGrid", "c.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in out.glob("*.png"))
    entry = json.loads(printed)["utterances"][0]
    tiers = intervals(out / "a.TextGrid")
    assert list(tiers) == ["reference", "hypothesis"]
    assert tiers["reference"] == [(0.0, 1.5, "neutral"), (1.5, 3.1, "sad")]
    hypothesis = [(s["start"], s["end"], s["emotion"]) for s in entry["segments"]]
    assert [label for *_, label in tiers["hypothesis"]] == [label for *_, label in hypothesis]
    np.testing.assert_allclose([t[:2] for t in tiers["hypothesis"]], [t[:2] for t in hypothesis], atol=6e-4)
    assert intervals(out / "c.TextGrid")["reference"] == [(0.0, 0.1, ""), (0.1, 0.4, "angry"), (0.4, 0.5, "")]
    wrong = sum(
        max(0.0, min(end, b.end) - max(start, b.start))
        for start, end, label in hypothesis for b in truth["a"] if b.label != label
    )  # fmt: skip
    assert entry["eder"] == pytest.approx(wrong / 3.1, abs=2e-3)


def test_a_reference_without_the_utterance_is_named(call, tmp_path: Path) -> None:
    write_rttm(tmp_path / "ref.rttm", [Segment("aa", 0.0, 1.0, "sad")])
    with pytest.raises(UserError, match=r"ref\.rttm: has no utterance 'a', .*; did you mean 'aa'"):
        call("--json", "--reference", tmp_path / "ref.rttm", "a.wav")


def bad_files(folder: Path) -> dict[str, str]:
    """Bad file to what is said about it."""
    (folder / "text.wav").write_text("no audio")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "short.wav", np.zeros(399), 16000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan, dtype=np.float32), 16000, subtype="FLOAT")
    samples = np.random.default_rng(0).normal(size=64000) / 8
    soundfile.write(folder / "cut.wav", samples, 16000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:40000])
    return {
        "missing.wav": "no such audio file", "text.wav": "not readable as audio", "empty.wav": "the file is empty",
        "short.wav": "0.025 s is too short", "nan.wav": "NaN", "cut.wav": "truncated",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["missing.wav", "text.wav", "empty.wav", "short.wav", "nan.wav", "cut.wav"])
def test_a_bad_file_is_named_and_nothing_is_written(call, name: str, tmp_path: Path, capsys) -> None:
    message = bad_files(tmp_path)[name]
    out = tmp_path / "out"
    with pytest.raises(UserError, match=rf"^{re.escape(str(tmp_path / name))}: .*{message}"):
        call("--textgrid", out, "--picture", out, "a.wav", tmp_path / name)
    assert capsys.readouterr().out == ""
    assert not out.exists()


def test_a_file_that_turns_out_bad_only_while_it_is_decoded_spoils_nothing_either(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    real = audio.load

    def load(path: str) -> np.ndarray:
        if path == "c.ogg":
            raise UserError("c.ogg: truncated")
        return real(path)

    monkeypatch.setattr(audio, "load", load)
    with pytest.raises(UserError, match=r"c\.ogg: truncated"):
        call("--textgrid", tmp_path / "out", "a.wav", "c.ogg")
    assert capsys.readouterr().out == "" and not (tmp_path / "out").exists()


def test_the_shortest_recording_is_one_segment(call, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(400), 16000)
    (segment,) = parse(call(tmp_path / "short.wav"), tmp_path)["short"]
    assert (segment.start, segment.end) == (0.0, 0.025)


def test_names() -> None:
    assert diarize.names(["x/a.wav", "y/b.flac", "./x/a.wav"]) == {"x/a.wav": "a", "y/b.flac": "b"}
    assert diarize.names(["x/a.wav", "y/a.wav"]) == {"x/a.wav": "x_a", "y/a.wav": "y_a"}
    assert diarize.names(["a.wav", "a.flac"]) == {"a.wav": "a.wav", "a.flac": "a.flac"}
    assert diarize.names(["two words.wav"]) == {"two words.wav": "two_words"}
    with pytest.raises(UserError, match=r"a b\.wav and a_b\.wav would both be called a_b; rename one"):
        diarize.names(["a b.wav", "a_b.wav"])


@pytest.mark.parametrize("arguments", [["--posteriors"], ["--reference", "ref.rttm"]])
def test_options_that_would_do_nothing_are_refused(call, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        call(*arguments, "a.wav")
    assert stop.value.code == 2


@pytest.mark.integration
def test_the_readme_names_a_model_of_egs_mini_and_its_command_runs(
    model: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO / "egs/mini")
    settings = config.load(Experiment, Path("conf/experiment.yaml"), [])
    made = [Path("egs/mini") / Training(group, 0, 0).directory for group in STAGE.groups(settings)]
    lines = (REPO / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if "local.sed.diarize --model egs/" in line]
    python, *command = shlex.split(line, comments=True)
    assert python == "python3"
    folder = Path(command[command.index("--model") + 1])
    assert folder in made
    shutil.copytree(model, tmp_path / folder)
    for name in ("a.wav", "b.flac"):
        shutil.copy(speech / name, tmp_path)
    result = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert list(parse(result.stdout, tmp_path)) == ["a", "b"]


def test_errors_are_one_line_with_status_1(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.sed.diarize", "--model", model, tmp_path / "none.wav"]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: {tmp_path}/none.wav: no such audio file\n"
