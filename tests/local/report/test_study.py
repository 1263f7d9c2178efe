"""A study's figures beside ours: every row of the reference, nothing that was not run, and no stand-in as a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from local.report import make
from local.report.study import STAND_IN
from tests.local.report.page import Page, joined, markdown_table
from tests.local.report.test_make import build, draw_only
from tests.local.report.test_tuned import tune
from tests.local.score.synthetic import Encoder, World, read_csv, small_world, where
from utils.errors import UserError

HEADER = "encoder,setting,source,train,test,method,ua"
ROWS = [
    "big,mono,,uno,uno,head,60.5", "big,cross,,uno,zwei,lora+ba,70.0", "big,trans,uno,zwei,zwei,ba+lora,71.0",
    "big,mono,,uno,uno,full,55.5",
]  # fmt: skip


def refer(world: World, rows: Sequence[str], **study: object) -> None:
    """Write a reference and name it in the experiment."""
    (world.root / "conf/published.csv").write_text("# A paper,\n# table 1\n" + "\n".join([HEADER, *rows]) + "\n")
    path = world.root / "conf/experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["study"] = {"reference": "conf/published.csv", **study}
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tune(small_world(tmp_path_factory.mktemp("made") / "toy"))


def test_every_row_stands_beside_ours(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refer(made, ROWS)
    text, page = build(made, monkeypatch)
    table = markdown_table(text)
    assert table == page.tables["study"] and "\n## Beside the published figures\n" in text
    assert "*published*: A paper, table 1." in joined(text)
    header, *rows = table
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["published"] for row in found] == ["60.5", "70.0", "71.0", "55.5"]
    results = where(read_csv(made.root / "exp/results.csv"), fold="all", layer="dev", stage="finetune")
    for row, method, source in zip(found, ["head", "lora+ba", "lora+ba"], ["none", "none", "uno"], strict=False):
        (own,) = where(results, train=row["train"], test=row["test"], method=method, source=source)
        ua, low, high = (100 * float(own[key]) for key in ("ua", "ua_lo", "ua_hi"))
        assert row["ours"] == f"{ua:.1f} [{low:.1f}, {high:.1f}]"
        assert (row["n"], row["speakers"]) == (own["n_test"], own["speakers"])
        assert row["parameters"] == f"{int(own['params']):,}"
        published = float(row["published"])
        difference = f"{ua - published:+.1f} [{low - published:+.1f}, {high - published:+.1f}]"
        assert row["ours − published"] == difference
    assert {found[3][name] for name in ("ours", "n", "speakers", "parameters", "ours − published")} == {"–"}


def test_a_published_mean_is_as_uncertain_as_its_folds(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refer(made, ROWS[:2])
    path = made.root / "conf/published.csv"
    path.write_text(f"# A paper\n{HEADER},folds\n{ROWS[0]},50.5 60.5 70.5\n{ROWS[1]},60.0 61.0\n")
    text, _ = build(made, monkeypatch)
    header, *rows = markdown_table(text)
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["published"] for row in found] == ["60.5 ± 10.0", "70.0 (logs: 60.5 ± 0.7)"]
    own, difference = (
        [float(part) for part in found[0][name].replace("[", "").replace("]", "").replace(",", "").split()]
        for name in ("ours", "ours − published")
    )
    half = 4.3027 * 10 / 3**0.5  # Student's t, 2 degrees of freedom
    assert difference[0] == pytest.approx(own[0] - 60.5, abs=0.11)
    assert difference[0] - difference[1] == pytest.approx(((own[0] - own[1]) ** 2 + half**2) ** 0.5, abs=0.2)
    assert difference[2] - difference[0] == pytest.approx(((own[2] - own[0]) ** 2 + half**2) ** 0.5, abs=0.2)
    # Where the logs say otherwise, ours is compared with them.
    ours, ahead = (float(found[1][name].split()[0]) for name in ("ours", "ours − published"))
    assert ahead == pytest.approx(ours - 60.5, abs=0.11)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("huge,mono,,uno,uno,head,1", "no encoder 'huge'"),
        ("big,mono,,tre,uno,head,1", "no corpus 'tre'"),
        ("big,trans,tre,zwei,zwei,lora,1", "no corpus 'tre'"),
        ("big,cross,,uno,uno,head,1", "its setting is mono"),
        ("big,mono,,uno,uno,head,high", "the last a number"),
        ("big,mono,,uno,uno,head", "expected encoder, setting"),
        (ROWS[0], "is there twice"),
    ],
)
def test_a_row_that_does_not_fit_is_named(made: World, monkeypatch: pytest.MonkeyPatch, row: str, said: str) -> None:
    refer(made, [ROWS[0], row])
    with pytest.raises(UserError, match=said) as caught:
        build(made, monkeypatch)
    assert str(caught.value).startswith(f"conf/published.csv:5: '{row}'")


def test_a_file_without_the_columns_is_refused(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refer(made, ROWS)
    (made.root / "conf/published.csv").write_text(f"{HEADER}\n")
    with pytest.raises(UserError, match="conf/published.csv: holds no figures"):
        build(made, monkeypatch)
    (made.root / "conf/published.csv").write_text("encoder,ua\nbig,1\n")
    with pytest.raises(UserError, match=f"expected the header {HEADER}"):
        build(made, monkeypatch)


def test_before_anything_is_run_the_figures_stand_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    world = small_world(tmp_path / "toy")
    refer(world, ROWS)
    monkeypatch.chdir(world.root)
    draw_only(monkeypatch)
    Path("exp/probe").rename("unrun")
    make.main([])
    text = Path("RESULTS.md").read_text(encoding="utf-8")
    _, *rows = markdown_table(text)
    assert [row[5:7] for row in rows] == [["60.5", "–"], ["70.0", "–"], ["71.0", "–"], ["55.5", "–"]]
    assert "**Nothing has been run here yet.**" in text and "--stage 1" in text
    page = Page(Path("exp/report/index.html").read_text(encoding="utf-8"))
    assert not page.open and {link.removeprefix("#") for link in page.references} - {"data:,"} <= page.ids
    assert not Path("results").exists()
    make.main([])
    assert "RESULTS.md: up to date" in capsys.readouterr().out
    # What was run and not scored is not called not run.
    Path("unrun").rename("exp/probe")
    Path("RESULTS.md").unlink()
    with pytest.raises(UserError, match="run the score stage first"):
        make.main([])


def smoke_world(root: Path) -> World:
    """A world whose corpora and encoder stand for those of a study."""
    world = tune(small_world(root, encoders=[Encoder("big", 3, 0.8, ["it"])]))
    path = world.root / "conf/experiment.yaml"
    text = path.read_text()
    for name, own in (("uno", "italian"), ("zwei", "german"), ("big", "large")):
        text = text.replace(name, own)
    path.write_text(text)
    for registry, entry in (
        (
            "corpora",
            {"italian": {"module": "table", "language": "it"}, "german": {"module": "table", "language": "de"}},
        ),
        ("encoders", {"large": {"source": "a/large", "layers": 3, "dim": 9, "languages": ["it"]}}),
    ):
        path = world.root / f"conf/{registry}.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | entry))
    (world.root / "exp").rename(world.root / "exp_smoke")
    rows = [
        "large,mono,,italian,italian,head,60.5", "large,cross,,italian,german,lora+ba,70.0",
        "large,trans,italian,german,german,lora+ba,71.0",
    ]  # fmt: skip
    refer(world, rows, stand_ins={"italian": "uno", "german": "zwei", "large": "big"})
    return world


def test_a_smoke_run_is_labelled_wherever_its_figures_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.score import collect

    world = smoke_world(tmp_path / "toy")
    monkeypatch.chdir(world.root)
    draw_only(monkeypatch)
    smoke = ["--set", "study.smoke=true"]
    collect.main(smoke)
    make.main(smoke)
    assert not Path("RESULTS.md").exists()
    text = Path("RESULTS.smoke.md").read_text(encoding="utf-8")
    assert text.startswith("# SMOKE RUN, no results: toy\n")
    assert all(f"{own} for {name}" in text for name, own in (("italian", "uno"), ("german", "zwei"), ("large", "big")))
    title, table = next(line for line in text.splitlines() if line.startswith("## SMOKE RUN")), markdown_table(text)
    assert "say nothing about the study" in title
    header, *rows = table
    assert f"ours ({STAND_IN})" in header and "ours − published" not in header
    assert [row[0] for row in rows] == ["large (here big)"] * 3
    assert rows[2][4] == "lora+ba after italian (here lora+ba after uno)"
    assert all("[" in row[6] for row in rows)
    page = Path("exp_smoke/report/index.html").read_text(encoding="utf-8")
    assert "<title>SMOKE RUN, xser: toy" in page and "<h1>SMOKE RUN, no results" in page
    assert Page(page).tables["study"] == table
    # The study's own report takes none of it.
    make.main([])
    own = Path("RESULTS.md").read_text(encoding="utf-8")
    assert "SMOKE" not in own and {row[6] for row in markdown_table(own)[1:]} == {"–"}
    assert "SMOKE" not in Path("exp/report/index.html").read_text(encoding="utf-8")


def test_a_smoke_run_that_was_not_scored_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(smoke_world(tmp_path / "toy").root)
    with pytest.raises(UserError, match="run the score stage first"):
        make.main(["--set", "study.smoke=true"])


def test_results_that_are_not_asked_for_are_not_taken_for_the_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tune(small_world(tmp_path / "toy"))
    build(world, monkeypatch)
    world.ask(lambda entry: "zwei" not in (entry.factors["test"], *entry.factors["train"]))
    with pytest.raises(UserError, match="which is not asked for; run the score stage again"):
        make.main([])
    text, page = build(world, monkeypatch)
    assert "zwei" not in "".join([text, *page.text]) and len(page.tables["all"]) - 1 == 4
