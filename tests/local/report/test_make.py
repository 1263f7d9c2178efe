"""Stage 8 on make-believe results: what the documents say is what the tables of stage 5 say."""

from __future__ import annotations

import base64
import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from local.report import make
from local.score import collect
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv, small_world, where
from utils.errors import UserError


class Page(HTMLParser):
    """What the tests ask of a page: its tables, its pictures, everything it refers to, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.references: list[str] = []
        self.pictures: list[bytes] = []
        self.text: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self._key, self._cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attributes}
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)
        self.references += [values[key] for key in ("src", "href") if key in values]
        if "id" in values:
            assert values["id"] not in self.ids
            self.ids.add(values["id"])
        if values.get("id", "").startswith("table-"):
            self._key = values["id"].removeprefix("table-")
            self.tables[self._key] = []
        if tag == "img":
            self.pictures.append(base64.b64decode(values["src"].removeprefix("data:image/png;base64,")))
        if tag == "tr" and self._key:
            self.tables[self._key].append([])
        if tag in ("td", "th") and self._key:
            self.tables[self._key][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self._cell = False
        if tag == "table":
            self._key = ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell:
            self.tables[self._key][-1][-1] += data


def markdown_tables(text: str) -> dict[str, list[list[str]]]:
    """Tables of RESULTS.md by the heading above them, without bold."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line[3:]
        elif line.startswith("| ") and not line.startswith("| ---"):
            tables.setdefault(title, []).append([cell.strip().replace("**", "") for cell in line.split("|")[1:-1]])
    return tables


def audit(one_speaker: bool = False) -> dict:
    """What stage 1 writes about a corpus of which one speaker is in train and test of one fold."""
    pairs = {"train_dev": 0, "train_test": 1, "dev_test": 0}
    nothing = dict.fromkeys(pairs, 0)
    fold = {
        "n": {part: dict.fromkeys(EMOTIONS, 5) for part in ("train", "dev", "test")},
        "speakers": {"train": 4, "dev": 2, "test": 3},
        "shared": {"speakers": pairs, "sentences": nothing, "sessions": None, "audio": nothing | {"train_test": 2}},
        "test_seen": {"speakers": 0.5, "sentences": 0.25, "sessions": None, "audio": 0.1},
    }
    clean = fold | {"shared": fold["shared"] | {"speakers": nothing}}
    reached = {"ua": 0.4321, "recalls": dict.fromkeys(EMOTIONS, 0.4321), "uses": "duration"}
    found = {
        "emotions": EMOTIONS, "chance": 0.25, "one_speaker": one_speaker, "speakers_disjoint": False,
        "test": {"slots": 200, "distinct": 160, "repeated": 40}, "folds": [fold, clean],
        "voices_elsewhere": {}, "effective_speakers": dict.fromkeys(EMOTIONS, 3.5),
        "shortcuts": {"duration": reached, "text": None, "speaker": reached | {"chance": 0.3}},
        "summary": ["speakers: 4 a fold", "sentences: 7.5% are also in train"],
    }  # fmt: skip
    audio = {"utterances": 200, "duplicates": [["a", "b"]], "unreadable": [], "near_silent": [], "clipped": []}
    return {"audio": audio, "schemes": {"speaker": found}}


def build(world: World, patch: pytest.MonkeyPatch, *options: str) -> tuple[str, Page]:
    """Run stages 5 and 8; return RESULTS.md and the page."""
    patch.chdir(world.root)
    collect.main([])
    make.main(list(options))
    page = Page((world.root / "exp/report/index.html").read_text(encoding="utf-8"))
    assert not page.open
    return (world.root / "RESULTS.md").read_text(encoding="utf-8"), page


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = small_world(
        tmp_path_factory.mktemp("made") / "toy",
        corpora=[Corpus("uno", "it"), Corpus("zwei", "de", speakers=10, synthetic=True)],
        encoders=[Encoder("big", 4, 0.85, ["it"], ["uno"]), Encoder("flat", 1, 0.7)],
        heads=["linear", "mlp"],
    )
    (world.root / "data/uno/audit.json").write_text(json.dumps(audit()))
    (world.root / "data/uno/excluded.tsv").write_text("item\treason\nx.wav\tempty\n")
    (world.root / "results_intro.md").write_text("# Why\nWords of our own & <more>.\n")
    return world


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch)


def percent(row: dict[str, str], *keys: str) -> str:
    ua, low, high = (f"{100 * float(row[key]):.1f}" for key in keys)
    return f"{ua} [{low}, {high}]"


def test_headlines_are_those_of_results_csv(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    rows = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    for table in (markdown_tables(text)["Every condition in full"], page.tables["all"]):
        header, *body = table
        assert len(body) == len(rows) == 16
        for cells in body:
            found = dict(zip(header, cells, strict=True))
            train, test = (found[key].split(" ")[0] for key in ("train", "test"))
            row = where(rows, encoder=found["encoder"], method=found["head"], train=train, test=test)[0]
            assert found["UA"].rstrip("†‡‖") == percent(row, "ua", "ua_lo", "ua_hi")
            assert (found["n"], found["speakers"], found["setting"]) == (row["n_test"], row["speakers"], row["setting"])
            for name, key in {"WA": "wa", "macro-F1": "macro_f1", **{e: f"recall_{e}" for e in EMOTIONS}}.items():
                assert found[name] == f"{100 * float(row[key]):.1f}"


def test_means_and_layers_are_those_of_summary_csv(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    rows = read_csv(world.root / "exp/summary.csv")
    for title, key, layered in (("Encoders at a glance", "means", False), ("UA by layer", "layers", True)):
        assert markdown_tables(text)[title] == page.tables[key]
        header, *body = page.tables[key]
        for cells in body:
            found = dict(zip(header, cells, strict=True))
            system = {"encoder": found.pop("encoder"), "method": found.pop("head")}
            layer = found.pop("layer") if layered else "dev"
            for group, cell in found.items():
                row = where(rows, group=group, layer=layer, **system)
                assert cell.rstrip("†‡‖") == (percent(row[0], "ua", "ua_lo", "ua_hi") if row else "–")


def test_comparisons_are_those_of_significance_csv(world: World, documents: tuple[str, Page]) -> None:
    text, page = documents
    rows = read_csv(world.root / "exp/significance.csv")
    header, *body = page.tables["compared"]
    assert len(body) == len([row for row in rows if row["train"] != "*"])
    for cells in body:
        found = dict(zip(header, cells, strict=True))
        a, b = (found[side].rstrip("†‡‖").replace(", ", ".") for side in "ab")
        train, test = (found[key].split(" ")[0] for key in ("train", "test"))
        row = where(rows, a=a, b=b, train=train, test=test)[0]
        assert found["a − b"] == percent(row, "diff", "lo", "hi")
        for column, key in (("p", "p"), ("p Holm", "p_holm")):
            value = float(row[key])
            assert found[column] == ("< 0.001" if value < 0.001 else f"{value:.3f}")
    assert markdown_tables(text)["Pairwise comparisons"] == page.tables["compared"]
    assert len(page.tables["compared-means"]) - 1 == len(where(rows, train="*"))


def test_findings_repeat_the_tables(world: World, documents: tuple[str, Page]) -> None:
    text, _ = documents
    found = text.split("## What was found")[1].split("\n## ")[0]
    rows = where(read_csv(world.root / "exp/summary.csv"), layer="dev")
    headlines = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    for group, words in (("within", "Within corpora"), ("across", "Across corpora")):
        own = [row for row in headlines if (row["train"] == row["test"]) == (group == "within")]
        # The head is chosen by dev; of its encoders, the best by test is told as such.
        dev = {head: np.mean([float(row["dev_ua"]) for row in where(own, method=head)]) for head in ("linear", "mlp")}
        head = max(dev, key=dev.get)
        best = max(where(rows, group=group, method=head), key=lambda row: float(row["ua"]))
        line = next(line for line in found.splitlines() if words in line)
        assert f"`{best['encoder']}`" in line and "has the highest UA (of 2 encoders, by test)" in line
        assert f"with the {head} head (of 2 the best by dev UA)" in line
        assert percent(best, "ua", "ua_lo", "ua_hi") in line
        other = where(rows, group=group, method=best["method"])
        assert all(percent(row, "ua", "ua_lo", "ua_hi") in line for row in other)
    drops = sorted(where(rows, group="drop"), key=lambda row: float(row["ua"]))
    for row in (drops[0], drops[-1]):
        assert percent(row, "ua", "ua_lo", "ua_hi") in found
    assert "By setting" not in found and {row["group"] for row in rows} == {"within", "across", "drop"}


def test_a_selection_is_counted_once_wherever_it_is_tested(world: World, documents: tuple[str, Page]) -> None:
    text, _ = documents
    rows = [
        row for name in ("uno", "zwei") for head in ("linear", "mlp")
        for row in read_csv(world.root / f"exp/probe/big.{head}.{name}-{name}/scores.csv") if row["selected"] == "1"
    ]  # fmt: skip
    layer, times = Counter(int(row["layer"]) for row in rows).most_common(1)[0]
    line = next(line for line in text.splitlines() if line.startswith("- **Layers**"))
    # 2 heads x 2 training corpora x 4 folds, each tested on two corpora.
    assert len(rows) == 16 and f"({times} of 16 selections; " in line and "; 0 with ties)" in line
    assert f"`big` layer {layer} most often" in line


def test_tests_that_cannot_be_significant_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.report.contents.figures", lambda inputs: [])
    world = small_world(tmp_path, corpora=[Corpus("few", "de", speakers=4), Corpus("uno", "it", speakers=20)])
    text, _ = build(world, monkeypatch)
    assert "On few none could be: with so few speakers" in text and "raise it" not in text
    section = text.split("## Pairwise comparisons")[1].split("\n## ")[0]
    assert "**Beforehand: on few (de) no difference could be significant, however large" in section
    assert "Beforehand" not in text.split("## Which encoder is better, on average?")[1].split("\n## ")[0]
    text, _ = build(world, monkeypatch, "--set", "score.permutations=10")
    assert "`score.permutations` = 10 is too small for 4 comparisons at a time: raise it." in text


def test_conditions_that_test_voices_of_their_training_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.report.contents.figures", lambda inputs: [])
    world = small_world(tmp_path, corpora=[Corpus("uno", "it")], changes={"voices_seen": 2})
    text, _ = build(world, monkeypatch)
    header, row = markdown_tables(text)["Every condition in full"][:2]
    assert dict(zip(header, row, strict=True))["UA"].endswith("◊")
    assert "◊ some people who are tested have trained the very model that tests them" in text


def test_contaminated_conditions_are_marked_everywhere(documents: tuple[str, Page]) -> None:
    text, page = documents
    for table in (markdown_tables(text)["Every condition in full"], page.tables["all"]):
        header, *body = table
        for cells in body:
            found = dict(zip(header, cells, strict=True))
            mark = found["UA"].partition("]")[2]
            # The audit of uno, whose folds are called those of speakers, found shared ones.
            assert ("‖" in mark) == (found["train"] == found["test"] == "uno (it)")
            mark = mark.removesuffix("‖")
            if found["encoder"] == "flat":
                assert mark == ""
            elif found["test"].startswith("uno"):
                assert mark == "†"
            else:
                assert mark == ("‡" if found["train"].startswith("uno") else "")
    sections = text.split("\n## ")
    for title in ("Encoders at a glance", "UA by condition: mlp head", "Every condition", "UA by layer", "Pairwise"):
        section = next(section for section in sections if section.startswith(title))
        assert "† the encoder's pre-training saw audio of the test corpus, without labels." in section
    assert "`big` heard uno" in sections[-1]


def test_synthetic_corpora_are_called_so(documents: tuple[str, Page]) -> None:
    text, page = documents
    assert text.count("zwei (de, synthetic)") > 10
    assert not re.search(r"zwei \(de\)", text)
    assert "**Synthetic speech**: zwei." in text and "uno (it, synthetic)" not in text
    assert any("zwei (de, synthetic)" in cell for row in page.tables["all"] for cell in row)


def test_every_picture_is_in_the_page_and_nothing_else_is_needed(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    folder = world.root / "exp/report"
    pictures = sorted(folder.glob("*.png"))
    assert {picture.stem for picture in pictures} == {
        "encoders", "layers", "matrix_big", "matrix_flat", "confusion", "confusion_big", "confusion_flat", "layers_big",
        "reliability",
    }  # fmt: skip
    assert sorted(page.pictures) == sorted(picture.read_bytes() for picture in pictures)
    assert all(picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF") for picture in pictures)
    for reference in page.references:
        assert reference.startswith("data:image/png;base64,") or reference.removeprefix("#") in page.ids


def test_every_table_has_its_command(documents: tuple[str, Page]) -> None:
    text, _ = documents
    for section in text.split("\n## ")[3:-2]:
        command = "./run.sh --stage 3 --stop-stage 8"
        if section.startswith(("Corpora", "Audit")):
            command = "./run.sh --stage 1 --stop-stage 8 --db-root DIR"
        assert section.splitlines()[2] == f"`{command}`"
    assert "egs/toy" in text


def test_the_audit_is_there_in_words(documents: tuple[str, Page]) -> None:
    text, page = documents
    said = "speakers: 4 a fold; sentences: 7.5% are also in train."
    section = text.split("\n## ")[-2]
    assert section.startswith("The audit in words") and f"- **uno (it)**: {said}" in section
    assert f"uno (it): {said}" in "".join(page.text)


def test_the_introduction_is_on_top(world: World, documents: tuple[str, Page]) -> None:
    text, _ = documents
    assert text.index("Words of our own & <more>.") < text.index("## What was asked")
    page = (world.root / "exp/report/index.html").read_text(encoding="utf-8")
    assert html.escape("Words of our own & <more>.") in page


def test_the_audit_is_told(documents: tuple[str, Page]) -> None:
    text, page = documents
    assert markdown_tables(text)["Audit of the folds"] == page.tables["audit"]
    header, row = page.tables["audit"]
    found = dict(zip(header, row, strict=True))
    assert found["corpus"] == "uno (it)" and found["speakers apart"] == "no"
    assert (found["sentences"], found["sessions"], found["by duration"], found["by text"]) == ("25", "–", "43.2", "–")
    assert (found["tested"], found["tested again"], found["in train and test"]) == ("160", "40", "4")
    folds = page.tables["audit-folds"]
    assert [row[folds[0].index("in train and test")] for row in folds[1:]] == ["1", "0"]
    corpora = {row[0]: row for row in page.tables["data"]}
    assert corpora["uno (it)"][3:9] == ["8", "40", "40", "40", "40", "1"]


def test_a_rerun_does_nothing_and_making_it_again_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    corpora = [Corpus("uno", "it")]
    world = small_world(tmp_path / "toy", corpora=corpora, encoders=[Encoder("big", 3), Encoder("flat", 1)])
    build(world, monkeypatch)
    files = [path for path in (world.root / "exp/report").iterdir() if path.is_file()] + [world.root / "RESULTS.md"]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    capsys.readouterr()
    make.main([])
    assert "RESULTS.md: up to date" in capsys.readouterr().out
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    (world.root / "RESULTS.md").write_text("edited")
    make.main([])
    assert "input RESULTS.md changed" in capsys.readouterr().out
    assert {path: content for path, (content, _) in before.items()} == {path: path.read_bytes() for path in files}


def test_target_dev_random_folds_and_one_speaker_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"cross_dev": "target", "split": "random"}
    corpora = [Corpus("solo", "de", speakers=1, each=20), Corpus("uno", "it")]
    world = small_world(tmp_path / "toy", corpora=corpora, encoders=[Encoder("flat", 1)], changes=changes)
    text, page = build(world, monkeypatch, "--command", "./run.sh --my 'own'")
    header, *body = page.tables["all"]
    rows = [dict(zip(header, cells, strict=True)) for cells in body]
    marks = {(r["train"].split()[0], r["test"].split()[0]): r["UA"].partition("]")[2] for r in rows}
    assert marks == {
        ("solo", "solo"): "¶‖", ("uno", "uno"): "‖", ("solo", "uno"): "§¶‖", ("uno", "solo"): "§¶‖",
    }  # fmt: skip
    warning = "**Across corpora, layers and epochs were chosen on labelled data of the test corpus.**"
    results = [s for s in text.split("\n## ")[3:-1] if not s.startswith(("Corpora", "Encoders\n", "Audit"))]
    assert results and all(warning in section for section in results)
    assert "¶ a corpus of one speaker" in text and "over utterances: solo." in text
    assert "‖ the folds let speakers" in text
    assert text.count("`./run.sh --my 'own'`") == text.count("\n## ") - 3


def test_one_flat_encoder_on_one_corpus_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", corpora=[Corpus("uno", "it")], encoders=[Encoder("flat", 1)])
    text, page = build(world, monkeypatch, "--set", "probe.epochs=3", "--set", "corpora=[uno]")
    assert set(page.tables) == {"means", "all", "encoders", "data", "by-speaker", "calibration"}
    pictures = {path.stem for path in (world.root / "exp/report").glob("*.png")}
    assert pictures == {"encoders", "confusion", "reliability"}
    assert "`./run.sh --stage 3 --stop-stage 8 --set probe.epochs=3 --set 'corpora=[uno]'`" in text
    assert "across" not in text.split("## What was found")[1].split("\n## ")[0]


def test_joint_training_and_missing_encoders_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(["uno", "zwei"], "zwei"), (["uno"], "zwei")]
    world = small_world(tmp_path / "toy", pairs=pairs, encoders=[Encoder("big", 3)])
    config = world.root / "conf/experiment.yaml"
    config.write_text(config.read_text().replace("probe:", "probe:\n  pairs: ['uno+zwei:zwei', 'uno:zwei']"))
    text, page = build(world, monkeypatch, "--set", "encoders=[big,logmel]")
    assert "**without results**: `logmel`" in text
    assert page.tables["means"][0][1:3] == ["across", "joint"]
    assert any(row[1] == "uno (it) + zwei (de)" for row in page.tables["all"])


def test_a_recipe_that_was_not_scored_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run the score stage first"):
        make.main([])
