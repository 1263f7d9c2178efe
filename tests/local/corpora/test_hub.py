"""Datasets in Hugging Face's formats, made here, become corpora that stage 1 prepares."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import soundfile

from local.corpora import CorpusSpec, download, hub, prepare
from utils.errors import UserError
from utils.table import read_table

datasets = pytest.importorskip("datasets", reason="utils/install.sh --extra hf")
COLUMNS = {"emotion": "label", "speaker": "who", "text": "said"}
ROWS = [("a", "angry", "anna", "Ja\tja"), ("b", "sad", "ben", None), ("a", "angry", "ben", "Nein")]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what the library writes out of the home folder."""
    made = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", made)
    return made


def sound(number: int) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, np.sin(np.arange(8000) * (number + 1) / 40) / 2, 16000, format="WAV", subtype="PCM_16")
    return made.getvalue()


def parquet(folder: Path, rows=ROWS, **columns) -> str:
    """Write a dataset of one parquet file, audio in it, and labels as numbers."""
    folder.mkdir()
    features = datasets.Features({
        "audio": datasets.Audio(), "label": datasets.ClassLabel(names=["angry", "sad"]),
        "who": datasets.Value("string"), "said": datasets.Value("string"),
    })  # fmt: skip
    content = {
        "audio": [{"bytes": sound(n), "path": f"{row[0]}.wav"} for n, row in enumerate(rows)],
        "label": [["angry", "sad"].index(row[1]) for row in rows],
        "who": [row[2] for row in rows], "said": [row[3] for row in rows],
    }  # fmt: skip
    # Not by the library itself, which wants to decode audio before it writes it.
    pyarrow.parquet.write_table(pyarrow.table(content, schema=features.arrow_schema), folder / "train.parquet")
    return str(folder)


def export(item: hub.Dataset, folder: Path, cache: Path) -> list[str]:
    folder.mkdir()
    count = hub.export(item, "conf/corpora.yaml: own.download[0]", folder, cache)
    lines = (folder / "metadata.tsv").read_text().splitlines()
    assert len(lines) == count + 1
    return lines


def test_parquet_becomes_a_table_with_the_very_same_audio(tmp_path: Path, cache: Path) -> None:
    item = hub.Dataset(parquet(tmp_path / "set"), COLUMNS)
    assert export(item, tmp_path / "own", cache) == [
        "path\temotion\tspeaker\ttext",
        "audio/a.wav\tangry\tanna\tJa ja",
        "audio/b.wav\tsad\tben\t",
        "audio/a_train_000003.wav\tangry\tben\tNein",
    ]
    written = [(tmp_path / "own/audio" / name).read_bytes() for name in ("a.wav", "b.wav", "a_train_000003.wav")]
    assert written == [sound(0), sound(1), sound(2)]


def test_stage_0_fetches_it_and_stage_1_prepares_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    item = {"hf": parquet(tmp_path / "set"), "columns": COLUMNS, "split": "train"}
    own = CorpusSpec("own", module="table", language="de", download=[item])
    download.download(own, tmp_path / "db/own", download.items(own))
    assert sorted(path.name for path in (tmp_path / "db").iterdir()) == ["own"]
    prepare.prepare(own, tmp_path / "db/own", Path("data/own"))
    assert sorted(read_table("data/own/utt2emo").values()) == ["angry", "angry", "sad"]
    assert set(read_table("data/own/utt2spk").values()) == {"own_anna", "own_ben"}
    assert set(read_table("data/own/utt2dur").values()) == {"0.5"}


@pytest.mark.parametrize("described", [True, False])
def test_an_audiofolder(tmp_path: Path, cache: Path, described: bool) -> None:
    """Described by its metadata.csv; without one, labels are the names of its folders, and nobody says who speaks."""
    for number, name in enumerate(("angry/x.wav", "sad/y.wav")):
        path = tmp_path / "set/train" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(sound(number))
    if described:
        (tmp_path / "set/train/metadata.csv").write_text(
            "file_name,emo,spk\nangry/x.wav,angry,anna\nsad/y.wav,sad,ben\n"
        )
        item = hub.Dataset(str(tmp_path / "set"), {"emotion": "emo", "speaker": "spk"}, split="train")
        assert export(item, tmp_path / "own", cache)[1:] == ["audio/x.wav\tangry\tanna", "audio/y.wav\tsad\tben"]
        assert (tmp_path / "own/audio/y.wav").read_bytes() == sound(1)
    else:
        item = hub.Dataset(str(tmp_path / "set"), {"emotion": "label"})
        with pytest.raises(UserError, match=r"columns.speaker is missing; the dataset has audio, label"):
            export(item, tmp_path / "own", cache)


def test_names_cannot_lead_out_of_the_folder(tmp_path: Path, cache: Path) -> None:
    rows = [(name, "sad", "s", "") for name in ("../../out", "/out", "..", "ü ñ/\n")]
    export(hub.Dataset(parquet(tmp_path / "set", rows), COLUMNS), tmp_path / "own", cache)
    written = {path.name for path in (tmp_path / "own/audio").iterdir()}
    assert len(written) == 4
    assert not [path for path in tmp_path.rglob("*out*") if path.parent != tmp_path / "own/audio"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": COLUMNS | {"emotion": "emo"}}, "columns.emotion is emo; the dataset has audio, label, who, said"),
        ({"columns": COLUMNS | {"audio": "said"}}, "the column said holds .*, no audio"),
        ({"columns": COLUMNS | {"sex": "who"}}, "a table has no column sex"),
        ({"split": "dev"}, "cannot be loaded"),
        ({"hf": "./nowhere"}, "there is no folder"),
        ({"hf": "someone/nothing"}, "someone/nothing cannot be loaded"),
    ],
)
def test_what_cannot_be_had_is_named(tmp_path: Path, cache: Path, change: dict, said: str) -> None:
    fields = {"hf": parquet(tmp_path / "set"), "columns": COLUMNS} | change
    with pytest.raises(UserError, match=said) as error:
        export(hub.Dataset(**fields), tmp_path / "own", cache)
    assert "\n" not in str(error.value)


def test_the_library_is_an_extra(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="needs the library datasets; utils/install.sh --extra hf"):
        export(hub.Dataset("someone/x", COLUMNS), tmp_path / "own", cache)
