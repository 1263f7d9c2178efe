"""Stage 8 on make-believe results: what the documents say is what the tables of stage 5 say."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from local.report import contents, make
from local.report.figures import drawing
from local.report.figures.drawing import Figure
from local.score import collect
from tests.local.report.page import PICTURE, Page, markdown_table, section
from tests.local.score.synthetic import EMOTIONS, Corpus, Encoder, World, read_csv, small_world, where
from utils.errors import UserError


def audit(one_speaker: bool = False) -> dict:
    """What stage 1 writes about a corpus of which one speaker is in train and test of one fold."""
    pairs = {"train_dev": 0, "train_test": 1, "dev_test": 0}
    nothing = dict.fromkeys(pairs, 0)
    fold = {
        "n": {part: dict.fromkeys(EMOTIONS, 5) for part in ("train", "dev", "test")},
        "speakers": {"train": 4, "dev": 2, "test": 3},
        "shared": {
            "speakers": pairs, "sentences": nothing, "sessions": None, "audio": nothing | {"train_test": 2},
            "near": nothing,
        },
        "test_seen": {"speakers": 0.5, "sentences": 0.25, "sessions": None, "audio": 0.1, "near": 0.0},
    }
    clean = fold | {"shared": fold["shared"] | {"speakers": nothing}}
    reached = {"ua": 0.4321, "recalls": dict.fromkeys(EMOTIONS, 0.4321), "uses": "duration"}
    found = {
        "emotions": EMOTIONS, "chance": 0.25, "one_speaker": one_speaker, "speakers_disjoint": False,
        "test": {"slots": 200, "distinct": 160, "repeated": 40}, "folds": [fold, clean],
        "voices_elsewhere": {}, "copies_elsewhere": {}, "effective_speakers": dict.fromkeys(EMOTIONS, 3.5),
        "shortcuts": {"duration": reached, "text": None, "speaker": reached | {"chance": 0.3}},
        "summary": ["speakers: 4 a fold", "sentences: 7.5% are also in train"],
    }  # fmt: skip
    audio = {"utterances": 200, "duplicates": [["a", "b"]]}
    audio |= dict.fromkeys(("near_duplicates", "unreadable", "near_silent", "clipped"), [])
    return {"audio": audio, "schemes": {"speaker": found}}


EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="90pt" height="60pt"></svg>'


def draw_only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave out of reports all figures but these; those at the top, which are always there, are empty."""
    made, save_all = contents.sections, drawing.save_all
    patch.setattr(contents, "sections", lambda sources: [
        (section, [block for block in blocks if not isinstance(block, Figure) or block.name in names])
        for section, blocks in made(sources)
    ])  # fmt: skip

    def some(figures: Sequence[Figure], folder: Path) -> None:
        save_all([figure for figure in figures if figure.name in names], folder)
        for figure in figures:
            if figure.name not in names:
                (folder / f"{figure.name}.svg").write_text(EMPTY)

    patch.setattr(drawing, "save_all", some)


def build(world: World, patch: pytest.MonkeyPatch, *options: str, draw: Sequence[str] | None = ()) -> tuple[str, Page]:
    """Run stages 5 and 8; return RESULTS.md and the page, of whose figures those named are drawn (``None``: all)."""
    patch.chdir(world.root)
    if draw is not None:
        draw_only(patch, *draw)
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
        encoders=[Encoder("big", 4, 0.85, ["it"], ["uno"]), Encoder("flat", 1, 0.7, init="random")],
        heads=["linear", "mlp"],
    )
    (world.root / "data/uno/audit.json").write_text(json.dumps(audit()))
    (world.root / "data/uno/excluded.tsv").write_text("item\treason\nx.wav\tempty\n")
    (world.root / "results_intro.md").write_text("# Why\nWords of our own & <more>.\n")
    return world


@pytest.fixture(scope="module")
def documents(world: World) -> tuple[str, Page]:
    with pytest.MonkeyPatch.context() as patch:
        return build(world, patch, draw=None)


def percent(row: dict[str, str], *keys: str) -> str:
    ua, low, high = (f"{100 * float(row[key]):.1f}" for key in keys)
    return f"{ua} [{low}, {high}]"


def test_headlines_are_those_of_results_csv(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    rows = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    header, *body = page.tables["all"]
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
    _, page = documents
    rows = read_csv(world.root / "exp/summary.csv")
    for key, layered in (("means", False), ("layers", True)):
        header, *body = page.tables[key]
        for cells in body:
            found = dict(zip(header, cells, strict=True))
            system = {"encoder": found.pop("encoder"), "method": found.pop("head")}
            layer = found.pop("layer") if layered else "dev"
            for group, cell in found.items():
                row = where(rows, group=group, layer=layer, **system)
                assert cell.rstrip("†‡‖") == (percent(row[0], "ua", "ua_lo", "ua_hi") if row else "–")


def test_comparisons_are_those_of_significance_csv(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
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
    assert len(page.tables["compared-means"]) - 1 == len(where(rows, train="*"))


def test_findings_repeat_the_tables(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    rows = where(read_csv(world.root / "exp/summary.csv"), layer="dev")
    headlines = where(read_csv(world.root / "exp/results.csv"), fold="all", layer="dev")
    for group, words in (("within", "Within corpora"), ("across", "Across corpora")):
        own = [row for row in headlines if (row["train"] == row["test"]) == (group == "within")]
        # The head is chosen by dev; of its encoders, the best by test is told as such.
        dev = {head: np.mean([float(row["dev_ua"]) for row in where(own, method=head)]) for head in ("linear", "mlp")}
        head = max(dev, key=dev.get)
        best = max(where(rows, group=group, method=head), key=lambda row: float(row["ua"]))
        line = next(line for line in page.sections["encoders"].splitlines() if words in line)
        assert f"{words}, {best['encoder']}" in line and "has the highest UA (of 2 encoders, by test)" in line
        assert f"with the {head} head (of 2 the best by dev UA)" in line
        assert percent(best, "ua", "ua_lo", "ua_hi") in line
        other = where(rows, group=group, method=best["method"])
        assert all(percent(row, "ua", "ua_lo", "ua_hi") in line for row in other)
    drops = sorted(where(rows, group="drop"), key=lambda row: float(row["ua"]))
    for row in (drops[0], drops[-1]):
        assert percent(row, "ua", "ua_lo", "ua_hi") in page.sections["conditions"]
    assert {row["group"] for row in rows} == {"within", "across", "drop", "within, unheard"}


def test_a_selection_is_counted_once_wherever_it_is_tested(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    rows = [
        row for name in ("uno", "zwei") for head in ("linear", "mlp")
        for row in read_csv(world.root / f"exp/probe/big.{head}.{name}-{name}/scores.csv") if row["selected"] == "1"
    ]  # fmt: skip
    layer, times = Counter(int(row["layer"]) for row in rows).most_common(1)[0]
    header, *body = page.tables["selected"]
    (found,) = (dict(zip(header, row, strict=True)) for row in body)
    # 2 heads x 2 training corpora x 4 folds, each tested on two corpora.
    assert len(rows) == 16 and (found["times"], found["selections"], found["with ties"]) == (str(times), "16", "0")
    assert (found["encoder"], found["most often"], found["last layer"]) == ("big", str(layer), "3")


def test_tests_that_cannot_be_significant_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path, corpora=[Corpus("few", "de", speakers=4), Corpus("uno", "it", speakers=20)])
    text, page = build(world, monkeypatch)
    tested = page.sections["paired-tests"]
    assert "On few none could be: with so few speakers" in tested and "raise it" not in tested
    assert "Few test speakers: few (4)" in section(text, "Limits")
    assert "Beforehand: on few (de) no difference could be significant, however large" in page.blocks["compared"]
    assert "Beforehand" not in page.blocks["compared-means"]
    _, page = build(world, monkeypatch, "--set", "score.permutations=10")
    raised = "score.permutations = 10 is too small for 4 comparisons at a time: raise it."
    assert raised in page.sections["paired-tests"]


def test_conditions_that_test_voices_of_their_training_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world(tmp_path, corpora=[Corpus("uno", "it")], changes={"voices_seen": 2})
    text, page = build(world, monkeypatch)
    header, row = page.tables["all"][:2]
    assert dict(zip(header, row, strict=True))["UA"].endswith("◊")
    told = "◊ some people who are tested have trained the very model that tests them, in another corpus or set: uno"
    assert told in section(text, "Limits")


def test_contaminated_conditions_are_marked_everywhere(documents: tuple[str, Page]) -> None:
    text, page = documents
    header, *body = page.tables["all"]
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
    for key in ("headline", "means", "conditions-mlp", "all", "layers", "compared"):
        assert "† the encoder's pre-training saw audio of the test corpus, without labels." in page.blocks[key]
    assert "`big` heard uno" in section(text, "Limits")


def test_synthetic_corpora_are_called_so(documents: tuple[str, Page]) -> None:
    text, page = documents
    whole = "".join(page.text)
    assert whole.count("zwei (de, synthetic)") > 10
    assert not re.search(r"zwei \(de\)", whole)
    assert "> **Synthetic speech**: zwei." in text and "uno (it, synthetic)" not in whole
    assert any("zwei (de, synthetic)" in cell for row in page.tables["all"] for cell in row)


def test_every_picture_is_in_the_page_and_nothing_else_is_needed(world: World, documents: tuple[str, Page]) -> None:
    _, page = documents
    folder = world.root / "exp/report"
    pictures = sorted(folder.glob("*.svg"))
    assert {picture.stem for picture in pictures} == {
        "headline", "encoders", "layers", "matrix_big", "matrix_flat", "confusion", "confusion_big", "confusion_flat",
        "layers_big", "reliability", "gap", "gap_big", "gap_flat",
    }  # fmt: skip
    assert sorted(page.pictures.values()) == sorted(picture.read_bytes() for picture in pictures)
    assert all(picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF") for picture in pictures)
    for picture in pictures:
        assert {element.tag.partition("}")[2] for element in ElementTree.parse(picture).iter()} >= {"svg", "text"}
    for reference in page.references:
        assert reference.startswith((PICTURE, "data:,")) or reference.removeprefix("#") in page.ids


def test_every_table_has_its_command(documents: tuple[str, Page]) -> None:
    text, page = documents
    for key in page.tables:
        command = "./run.sh --stage 3 --stop-stage 8"
        if key in ("data", "audit", "audit-folds", "audit-words"):
            command = "./run.sh --stage 1 --stop-stage 8 --db-root DIR"
        assert page.blocks[key].endswith(f"Made by {command}\n")
    made = section(text, "All of it")
    assert made.startswith("Made in `egs/toy` by `./run.sh --stage 1 --stop-stage 8 --db-root DIR`.")


def test_the_introduction_is_on_top(world: World, documents: tuple[str, Page]) -> None:
    text, _ = documents
    assert text.index("Words of our own & <more>.") < text.index("## Question")
    page = (world.root / "exp/report/index.html").read_text(encoding="utf-8")
    assert html.escape("Words of our own & <more>.") in page


def test_the_audit_is_told(documents: tuple[str, Page]) -> None:
    _, page = documents
    assert page.tables["audit-words"][1:] == [
        ["uno (it)", "speakers", "4 a fold"], ["uno (it)", "sentences", "7.5% are also in train"],
    ]  # fmt: skip
    header, row = page.tables["audit"]
    found = dict(zip(header, row, strict=True))
    assert found["corpus"] == "uno (it)" and found["speakers apart"] == "no"
    assert (found["sentences"], found["sessions"], found["by duration"], found["by text"]) == ("25", "–", "43.2", "–")
    assert (found["tested"], found["tested again"], found["identical in both"]) == ("160", "40", "4")
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
    files = [path for name in ("exp/report", "results") for path in (world.root / name).iterdir()]
    files.append(world.root / "RESULTS.md")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    capsys.readouterr()
    make.main([])
    assert "RESULTS.md: up to date" in capsys.readouterr().out
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    for name in ("RESULTS.md", "results/summary.csv"):
        (world.root / name).write_text("edited")
        make.main([])
        assert f"input {name} changed" in capsys.readouterr().out
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
    warning = "Across corpora, layers and epochs were chosen on labelled data of the test corpus."
    results = page.tables.keys() - {"headline", "data", "methods", "encoders", "selected"}
    assert {"means", "all", "conditions-linear"} <= results
    assert all(warning in page.blocks[key] for key in results)
    limits = section(text, "Limits")
    assert warning in limits and "¶ a corpus of one speaker" in limits and "over utterances: solo." in limits
    assert "‖ the folds let speakers" in limits
    assert all(page.blocks[key].endswith("Made by ./run.sh --my 'own'\n") for key in page.tables)


def test_one_flat_encoder_on_one_corpus_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world(tmp_path / "toy", corpora=[Corpus("uno", "it")], encoders=[Encoder("flat", 1)])
    text, page = build(world, monkeypatch, "--set", "probe.epochs=3", "--set", "corpora=[uno]", draw=None)
    assert set(page.tables) == {"headline", "means", "methods", "all", "encoders", "data", "by-speaker", "calibration"}
    assert set(page.pictures) == {
        "Systems beside baselines", "Encoders side by side", "Confusions", "Do posteriors mean what they say?",
    }  # fmt: skip
    command = "./run.sh --stage 3 --stop-stage 8 --set probe.epochs=3 --set 'corpora=[uno]'"
    assert page.blocks["means"].endswith(f"Made by {command}\n")
    assert "across" not in text and "no baseline was run" in section(text, "Answer")


def test_joint_training_and_missing_encoders_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(["uno", "zwei"], "zwei"), (["uno"], "zwei")]
    world = small_world(tmp_path / "toy", pairs=pairs, encoders=[Encoder("big", 3)])
    config = world.root / "conf/experiment.yaml"
    config.write_text(config.read_text().replace("probe:", "probe:\n  pairs: ['uno+zwei:zwei', 'uno:zwei']"))
    text, page = build(world, monkeypatch, "--set", "encoders=[big,logmel]")
    assert "without results: logmel" in page.sections["what-was-run"]
    assert [row[0] for row in markdown_table(text)[1:]] == ["UA across", "UA joint"]
    assert page.tables["means"][0][1:3] == ["across", "joint"]
    assert any(row[1] == "uno (it) + zwei (de)" for row in page.tables["all"])


def test_a_recipe_that_was_not_scored_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run the score stage first"):
        make.main([])
