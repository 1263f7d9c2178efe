"""The command: any audio in, a table or JSON out, nothing at all where one file is bad; windows as they come."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local.finetune import predict
from local.finetune.model import EmotionClassifier
from local.finetune.strategies import Design
from tests.conftest import REPO
from tests.local.encoders.checkpoints import spec_of
from tests.local.encoders.test_transformer import speech
from tests.local.finetune.conftest import EMOTIONS, perturb
from utils import audio
from utils.errors import UserError


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with adapters and gates, whose posteriors are far from even."""
    made = EmotionClassifier(spec_of(checkpoint("wavlm-base")), EMOTIONS, Design(2, "lora+ba+wg"))
    perturb(made.trainable(), 0.3)
    folder = tmp_path_factory.mktemp("model")
    made.save(folder)
    return folder


@pytest.fixture
def call(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in a folder of speech, give what it prints; nothing may come on standard error."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", speech(16000), 16000)
    soundfile.write("b.flac", np.stack([speech(66150, 1), speech(66150, 2)], axis=1), 44100)
    soundfile.write("long name.ogg", speech(5000, 3), 8000)

    def run(*arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["predict", "--model", str(model), *map(str, arguments)])
        predict.main()
        printed = capsys.readouterr()
        assert printed.err == ""  # no progress bar where there is no terminal
        return printed.out

    return run


def expected(model: Path, *paths: str) -> np.ndarray:
    classifier = EmotionClassifier.load(model)
    return np.concatenate([classifier.posteriors([audio.load(path)]) for path in paths])


def test_a_table_has_a_row_a_file_in_their_order(call, model: Path) -> None:
    lines = call("long name.ogg", "a.wav", "b.flac").splitlines()
    header, *rows = (re.split(r" {2,}", line.strip()) for line in lines)
    assert header == ["file", "emotion", *EMOTIONS]
    assert len({len(line) for line in lines}) == 1
    want = expected(model, "long name.ogg", "a.wav", "b.flac")
    assert [row[0] for row in rows] == ["long name.ogg", "a.wav", "b.flac"]
    assert [row[1] for row in rows] == [EMOTIONS[index] for index in want.argmax(axis=1)]
    np.testing.assert_allclose([list(map(float, row[2:])) for row in rows], want, rtol=0, atol=5.1e-4)
    assert np.ptp(want, axis=0).max() > 0.05


def test_json_has_an_object_a_line(call, model: Path) -> None:
    entries = [json.loads(line) for line in call("--json", "b.flac", "a.wav", "b.flac").splitlines()]
    assert [entry["path"] for entry in entries] == ["b.flac", "a.wav", "b.flac"]
    assert [entry["duration"] for entry in entries] == [1.5, 1.0, 1.5]
    for entry, want in zip(entries, expected(model, "b.flac", "a.wav", "b.flac"), strict=True):
        assert set(entry) == {"path", "duration", "emotion", "posteriors"}
        assert list(entry["posteriors"]) == EMOTIONS
        np.testing.assert_allclose(list(entry["posteriors"].values()), want, rtol=0, atol=1e-6)
        assert sum(entry["posteriors"].values()) == pytest.approx(1, abs=1e-6)
        assert entry["emotion"] == max(entry["posteriors"], key=entry["posteriors"].get)


def test_windows_are_files_cut_out(call, model: Path) -> None:
    options = "--window", 0.6, "--shift", 0.4, "a.wav", "b.flac"
    entries = [json.loads(line) for line in call("--json", *options).splitlines()]
    bounds = {"a.wav": [(0, 0.6), (0.4, 1)], "b.flac": [(0, 0.6), (0.4, 1), (0.8, 1.4), (1.2, 1.5)]}
    assert [(one["path"], one["start"], one["end"]) for one in entries] == [
        (path, *own) for path, all_own in bounds.items() for own in all_own
    ]  # fmt: skip
    for entry in entries:
        whole = audio.load(entry["path"])
        begin, end = round(16000 * entry["start"]), round(16000 * entry["end"])
        soundfile.write("cut.wav", whole[begin:end], 16000, subtype="FLOAT")
        np.testing.assert_allclose(list(entry["posteriors"].values()), expected(model, "cut.wav")[0], rtol=0, atol=1e-5)
        assert entry["emotion"] == max(entry["posteriors"], key=entry["posteriors"].get)
    table = [line.split("\t") for line in call(*options).splitlines()]
    assert table[0] == ["file", "start", "end", "emotion", *EMOTIONS] and len(table) == 7
    assert table[3] == ["b.flac", "0.000", "0.600", entries[2]["emotion"], *(
        f"{share:.3f}" for share in entries[2]["posteriors"].values()
    )]  # fmt: skip


@pytest.mark.parametrize("form", ["raw", "wav"])
def test_a_stream_is_the_file(call, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, made = audio.load("b.flac"), io.BytesIO()
    soundfile.write("c.wav", whole, 16000)
    options = {"format": "RAW", "endian": "LITTLE"} if form == "raw" else {"format": "WAV"}
    soundfile.write(made, whole, 16000, subtype="PCM_16", **options)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(made.getvalue())))
    found = call("--window", 0.5, "--stream").replace("-\t", "c.wav\t", 9)
    assert found == call("--window", 0.5, "c.wav") and found.count("\n") == 6


def test_lines_come_as_windows_are_whole(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody closes standard input, and yet there is a line."""
    (heard, say), (read, said) = os.pipe(), os.pipe()
    monkeypatch.setattr("sys.argv", ["predict", "--model", str(model), "--window", "0.5", "--stream", "--json"])
    monkeypatch.setattr(sys, "stdin", os.fdopen(heard))
    monkeypatch.setattr(sys, "stdout", os.fdopen(said, "w"))
    command = threading.Thread(target=predict.main, daemon=True)
    command.start()
    os.write(say, (10000 * speech(8000)).astype("<i2").tobytes())
    with open(read) as lines:
        assert json.loads(lines.readline())["end"] == 0.5
        os.write(say, (10000 * speech(4000)).astype("<i2").tobytes())
        assert json.loads(lines.readline())["start"] == 0.25
        os.close(say)
        command.join(timeout=60)
    assert not command.is_alive()


@pytest.mark.parametrize(
    "options",
    [["--stream"], ["--shift", "1", "a.wav"], ["--window", "1", "--shift", "2", "a.wav"], ["--window", "0", "a.wav"],
     ["--window", "1", "--stream", "a.wav"], []],
)  # fmt: skip
def test_options_that_make_no_sense_are_named(call, options: list[str], capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(*options)
    assert "error: " in capsys.readouterr().err


def bad_files(folder: Path) -> dict[str, str]:
    """Bad file to what is said about it."""
    (folder / "text.wav").write_text("no audio")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "short.wav", np.zeros(399), 16000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan, dtype=np.float32), 16000, subtype="FLOAT")
    soundfile.write(folder / "cut.wav", speech(64000), 16000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:40000])
    return {
        "missing.wav": "no such audio file", "text.wav": "not readable as audio", "empty.wav": "the file is empty",
        "short.wav": "0.0249 s of audio are too short", "nan.wav": "NaN", "cut.wav": "truncated",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["missing.wav", "text.wav", "empty.wav", "short.wav", "nan.wav", "cut.wav"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_bad_file_is_named_and_nothing_is_printed(call, name: str, form: list[str], tmp_path: Path, capsys) -> None:
    message = bad_files(tmp_path)[name]
    with pytest.raises(UserError, match=rf"^{name}: .*{message}"):
        call(*form, "a.wav", name)
    assert capsys.readouterr().out == ""


def test_a_bad_file_is_found_before_the_model_is_loaded(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmotionClassifier, "load", lambda *arguments: pytest.fail("loaded"))
    with pytest.raises(UserError, match="missing.wav: no such audio file"):
        call("a.wav", "missing.wav")


def test_silence_and_the_shortest_recording(call) -> None:
    soundfile.write("short.wav", np.zeros(400), 16000)
    assert json.loads(call("--json", "short.wav"))["duration"] == 0.025


def test_errors_are_one_line_with_status_1(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(8000), 16000)
    for folder, path, message in (
        (model, tmp_path / "none.wav", f"{tmp_path}/none.wav: no such audio file"),
        (tmp_path, tmp_path / "a.wav", f"{tmp_path}/config.json: no such file; train the model first"),
    ):
        command = [sys.executable, "-m", "local.finetune.predict", "--model", folder, path]
        result = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
        assert (result.returncode, result.stdout, result.stderr) == (1, "", f"error: {message}\n")


@pytest.mark.parametrize("command", ["predict", "export"])
def test_help_is_quick(command: str) -> None:
    code = (
        f"import sys, contextlib\nfrom local.finetune import {command} as command\nsys.argv = ['x', '--help']\n"
        "with contextlib.suppress(SystemExit):\n    command.main()\n"
        "sys.exit(bool({'torch', 'transformers', 'peft', 'soundfile'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True).returncode == 0
