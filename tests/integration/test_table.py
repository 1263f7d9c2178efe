"""Bring your own corpus: the steps of egs/table/README.md, on recordings whose names are as odd as names may be."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import Checkout

pytestmark = pytest.mark.integration

FOLDER = '-my  "récordings" {x} $(touch ran)'
NAMES = [
    "a  b.ogg", "it's \"$HOME\" `touch ran`.ogg", "-rf.ogg", "größe 日本 🙂.ogg", "#x;y & z,|.ogg", r"<b>%s\n{0}.ogg"
]  # fmt: skip
REFUSED = ["two\nlines.ogg", "touch ran |"]  # by wav.scp: one is no line, the other a command
SPEAKER = "<i>Zoë & “Jan”</i> "  # and a number, which her id ends with
TABLE = "--set 'my' täble.csv"
QUICK = ["--set", "encoders=[logmel]", "--set", "probe.heads=[logreg]"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the repository whose path, too, holds spaces."""
    return Checkout(tmp_path_factory.mktemp("it's a checkout"))


@pytest.fixture(scope="module")
def recipe(checkout: Checkout) -> Path:
    """The table and its recordings."""
    folder = checkout.root / "egs/mycorpus"
    shutil.copytree(checkout.root / "egs/table", folder)
    entry = f'root: "{TABLE}"\n  title: "<script>x</script> {{{{y}}}}"'
    edits = ("run.sh", "--recipe table", "--recipe mycorpus"), ("conf/corpora.yaml", "root: mycorpus.tsv", entry)
    for name, old, new in edits:
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    mini = checkout.root / "egs/mini/corpus"
    with open(mini / "metadata.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["language"] == "de"]
    (folder / FOLDER).mkdir()
    names = dict(zip(sorted({row["recording"] for row in rows}), NAMES, strict=True))
    for recording, name in names.items():
        shutil.copyfile(mini / "de" / f"{recording}.ogg", folder / FOLDER / name)
    for name in REFUSED:
        shutil.copyfile(mini / "de" / f"{recording}.ogg", folder / FOLDER / name)
    columns = ["path", "speaker", "emotion", "gender", "text", "sentence", "start", "end"]
    with open(folder / TABLE, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            row |= {"speaker": SPEAKER + row["speaker"], "emotion": row["emotion"].upper()}
            writer.writerow(row | {"path": f"{FOLDER}/{names[row['recording']]}"})
        for name in [*REFUSED, "missing.wav"]:
            writer.writerow(row | {"path": f"{FOLDER}/{name}"})
        writer.writerow(row | {"path": f"{FOLDER}/{NAMES[0]}", "emotion": "puzzled", "start": "0"})
    return folder


def test_a_table_becomes_a_scored_corpus(checkout: Checkout, recipe: Path) -> None:
    outcome = checkout.run("mycorpus", *QUICK)
    assert outcome.status == 0, outcome.output[-3000:]
    excluded = (recipe / "data/mycorpus/excluded.tsv").read_text(encoding="utf-8")
    assert "missing.wav" in excluded and "puzzled" in excluded
    assert excluded.count("path cannot stand in wav.scp: rename the file\n") == len(REFUSED)
    assert excluded.count("\n") == 1 + len(REFUSED) + 2
    scp = (recipe / "data/mycorpus/wav.scp").read_text(encoding="utf-8").splitlines()
    assert {line.partition(" ")[2] for line in scp} == {str(recipe / FOLDER / name) for name in NAMES}
    with open(recipe / "exp/results.csv", encoding="utf-8", newline="") as file:
        summary = [row for row in csv.DictReader(file) if row["fold"] == "all" and row["layer"] == "dev"]
    assert len(summary) == 1
    assert int(summary[0]["n_test"]) == 192
    assert float(summary[0]["ua"]) > 0.4
    page = (recipe / "exp/report/index.html").read_text(encoding="utf-8")
    assert "<script>x" not in page and "&lt;script&gt;x" in page and "{{y}}" in page
    assert "mycorpus" in (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert not list(recipe.rglob("ran")) and not list(checkout.root.glob("ran"))


def test_a_command_in_wav_scp_is_not_run_unless_that_is_allowed(checkout: Checkout, recipe: Path) -> None:
    scp = recipe / "data/mycorpus/wav.scp"
    first, *rest = scp.read_text(encoding="utf-8").splitlines(keepends=True)
    key, _, path = first.rstrip("\n").partition(" ")
    (recipe / "plain.ogg").write_bytes(Path(path).read_bytes())
    scp.write_text("".join([f"{key} touch ran; cat plain.ogg |\n", *rest]), encoding="utf-8")
    # So long that no file's name holds theirs.
    names = [f"level_by_{'another_' * 8}name_{number}" for number in range(4)]
    entries = "".join(f"{name}: {{kind: shortcut, sees: [level], layers: 1, dim: 22}}\n" for name in names)
    (recipe / "conf/encoders.yaml").write_text(entries, encoding="utf-8")
    asked = ",".join(["level", *names])
    features = ("--stage", "features", "--stop-stage", "features", "--set", f"encoders=[{asked}]")
    refused = checkout.run("mycorpus", *features)
    assert refused.status != 0 and "Traceback" not in refused.output
    assert "'touch ran; cat plain.ogg' of wav.scp is a command" in refused.output and "--allow-pipes" in refused.output
    assert not (recipe / "ran").exists() and not (recipe / "dump/level/mycorpus/.done").exists()
    allowed = checkout.run("mycorpus", *features, "--allow-pipes")
    assert allowed.status == 0, allowed.output[-3000:]
    assert (recipe / "ran").exists() and (recipe / f"dump/{names[-1]}/mycorpus/.done").exists()
    assert [path.name for path in (recipe / "dump/log").glob("level*")] == ["level,etc.1.log"]
