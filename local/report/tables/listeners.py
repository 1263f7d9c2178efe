"""What answers of listeners say: groups beside models, confusions, tests, agreement, segments; a study's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from local.report.listened import Listened, score
from local.report.scores import Score
from local.report.tables.cells import DASH, Cell, Table, number, p_value, score_cell

Row = Mapping[str, str]
LEVEL = 0.05
SIMULATED = "**Simulated answers, of nobody.** They show that the analysis runs, and say nothing of people."


def sentences(found: Listened) -> list[str]:
    """Say in short what answers, and checks of a study, come to."""
    lines = [SIMULATED] if found.simulated else []
    people = [row for row in found.tables["scores"] if row["who"] == "people"]
    if people:
        said = "; ".join(f"{row['group']} on {row['language']} {score(row, 'ua')}" for row in people[:8])
        lines.append(f"**Listeners**, UA by group and language of the clips: {said}.")
    tests = [row for row in found.tables["contrasts"] if row["p"]]
    if tests:
        shown = sum(float(row["p_holm"]) < LEVEL for row in tests)
        lines.append(
            f"**Groups and languages**, listeners as units: {shown} of {len(tests)} differences are shown after Holm "
            f"(of listeners' recall, precision and F1, by emotion)."
        )
    return lines + _study(found)


def _study(found: Listened) -> list[str]:
    tests, lines = found.tables["study_tests"], []
    if tests:
        left = sum(float(row["p_5_holm"]) < LEVEL for row in tests)
        lines.append(
            f"**The study's tests** cannot be made again, since its listeners' scores are not public. All {len(tests)} "
            f"were printed with Student's 10 degrees of freedom; with 5, the fewest of Welch's or paired tests of six, "
            f"and after Holm, {left} stay below {LEVEL:g}."
        )
    for row in found.tables["study_figures"]:
        if row["what"] == "clips a language":
            lines.append(f"**«{row['published']} for each language»** cannot be: {row['note']}.")
        if row["note"].startswith("does not"):
            lines.append(
                f"The study's UA of {row['of']} listeners on {row['on']} ({row['published']}) is not that of its own "
                f"confusions ({row['lo']} to {row['hi']})."
            )
    return lines


def blocks(found: Listened) -> Iterator[Table]:
    """Every table, those without rows too."""
    for make in (_scores, _confusions, _contrasts, _logistic, _reliability, _segments, _tests, _figures):
        yield make(found)


def _table(
    key: str, title: str, caption: str, rows: Sequence[Row], columns: Mapping[str, str | Callable[[Row], Cell]]
) -> Table:
    """Make a table of a file's rows: by header, the name of a column or what makes a cell."""
    cells = [[make(row) if callable(make) else Cell(row[make]) for make in columns.values()] for row in rows]
    return Table(f"listeners-{key}", title, caption, list(columns), cells, "listen")


def _ua(name: str, ends: str = "") -> Callable[[Row], Cell]:
    return lambda row: score_cell(score(row, name, ends)) if row[name] else DASH


def _number(name: str, digits: int = 2, scale: float = 1.0) -> Callable[[Row], Cell]:
    return lambda row: number(float(row[name]), digits, scale) if row[name] else DASH


def _p(name: str, bold: bool = False) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        p = float(row[name] or "nan")
        return Cell(p_value(p), best=bold and p < LEVEL, value=p) if row[name] else DASH

    return cell


def _with_ends(name: str, low: str, high: str, form: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        if not row[name]:
            return DASH
        ends = ", ".join(format(float(row[end]), form) if row[end] else "–" for end in (low, high))
        return Cell(f"{format(float(row[name]), form)} [{ends}]", value=float(row[name]))

    return cell


def _between(low: str, high: str, scale: float) -> Callable[[Row], Cell]:
    return lambda row: (
        Cell(f"{scale * float(row[low]):.1f} to {scale * float(row[high]):.1f}") if row[low] else DASH
    )  # fmt: skip


def _apart(name: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        found: Score = score(row, name)
        if not row[f"{name}_lo"]:
            return Cell(f"{100 * found.ua:+.1f}", value=found.ua) if row[name] else DASH
        return Cell(found.signed(), value=found.ua)

    return cell


def _scores(found: Listened) -> Table:
    rows = found.tables["scores"]
    recalls = [name for name in (rows[0] if rows else ()) if name.startswith("recall_")]
    caption = (
        "UA in percent [95% interval: of people, for other listeners and other clips; of models, for other clips], and "
        "recalls. Models are tested on the listeners' clips alone; *on all*: on everything that they were tested on, "
        "and *samples*: where 95% of random samples of as many clips an emotion would lie."
    )
    columns = {
        "who": "who", "group": "group", "language": "language", "listeners": "listeners", "clips": "clips",
        "answers": "n", "UA": _ua("ua"), "on all": _number("ua_all", 1, 100),
        "samples": _between("sample_lo", "sample_hi", 100),
    } | {name.removeprefix("recall_"): _number(name, 1, 100) for name in recalls}  # fmt: skip
    return _table("scores", "Listeners and models on the same clips", caption, rows, columns)


def _confusions(found: Listened) -> Table:
    by_row: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in found.tables["confusions"]:
        key = row["language"], row["who"], row["group"], row["emotion"]
        by_row.setdefault(key, {})[row["answer"]] = row
    answers = list(dict.fromkeys(row["answer"] for row in found.tables["confusions"]))
    cells = [
        [*map(Cell, key), *(_number("share")(own[answer]) for answer in answers), Cell(_heard(own))]
        for key, own in sorted(by_row.items(), key=lambda item: (item[0][0], item[0][1] != "people"))
    ]  # fmt: skip
    caption = (
        "Of the clips of an emotion, the share that was taken for each; people first, then models on the same clips. "
        "*n*: answers, of models their mean over runs."
    )
    header = ["language", "who", "group", "emotion", *answers, "n"]
    return Table("listeners-confusions", "Confusions of people and models", caption, header, cells, "listen")


def _heard(own: Mapping[str, Row]) -> str:
    return f"{sum(float(row['n']) for row in own.values()):.0f}"


def _contrasts(found: Listened) -> Table:
    caption = (
        "Listeners are the units. Between groups Welch's test, between a group's languages the paired one; difference "
        "in points [95% interval]; p after Holm over all of the kind (bold: < 0.05). *Student*: the test that takes "
        "variances for equal and listeners for different ones, with n + m − 2 degrees of freedom, as studies print it. "
        "Precision leaves listeners out who never said the emotion; *all*: the mean over emotions."
    )
    columns = {
        "kind": "kind", "measure": "measure", "emotion": "emotion", "a": "a", "b": "b", "in": "in",
        "a − b": _apart("difference"), "n": lambda row: Cell(f"{row['n_a']} + {row['n_b']}"), "t": _number("t"),
        "df": _number("df", 1), "p": _p("p"), "p Holm": _p("p_holm", bold=True), "Student's t": _number("student_t"),
        "its df": _number("student_df", 0), "its p": _p("student_p"),
    }  # fmt: skip
    return _table("contrasts", "Do groups and languages differ?", caption, found.tables["contrasts"], columns)


def _logistic(found: Listened) -> Table:
    caption = (
        "A mixed logistic model of being right, with crossed random intercepts of listeners and clips, an effect for "
        "every group and language, and one for every emotion. Difference in log odds [95% t-interval for other "
        "listeners and clips]; *SD*: of listeners and of clips, in log odds. Holm over this table (bold: < 0.05)."
    )
    columns = {
        "of": "contrast", "a": "a", "b": "b", "in": "in", "a − b": _with_ends("log_odds", "lo", "hi", "+.2f"),
        "df": "df", "p": _p("p"),
        "p Holm": _p("p_holm", bold=True), "answers": "answers", "listeners": "listeners", "clips": "clips",
        "SD listeners": _number("sd_listener"), "SD clips": _number("sd_clip"),
    }  # fmt: skip
    return _table("logistic", "The odds of being right", caption, found.tables["logistic"], columns)


def _reliability(found: Listened) -> Table:
    caption = (
        "Agreement of listeners of a group beyond chance, right or wrong: Fleiss' kappa (– where not all heard every "
        "clip) and Krippendorff's alpha [95% interval for other clips, bootstrap]."
    )
    columns = {"group": "group", "language": "language", "listeners": "listeners", "clips": "clips",
               "kappa": _number("kappa"), "alpha": _with_ends("alpha", "alpha_lo", "alpha_hi", ".2f")}  # fmt: skip
    return _table("reliability", "Do listeners agree?", caption, found.tables["reliability"], columns)


def _segments(found: Listened) -> Table:
    caption = (
        "EDER in percent of the segment that a listener marked, the lower the better [95% interval for other listeners "
        "and clips]; clips alike, *all*: the mean over emotions. *corpus*: against its segments; *leave one out*: "
        "against every other listener of the group, which says how far they agree, not how far they are right. "
        "Diarizers are those of stage 6 that were tested on all of these clips, with intervals for other clips."
    )
    columns = {"who": "who", "group": "group", "reference": "reference", "emotion": "emotion", "listeners": "listeners",
               "clips": "clips", "EDER": _ua("eder")}  # fmt: skip
    return _table("segments", "Where people hear the emotion", caption, found.tables["segments"], columns)


def _tests(found: Listened) -> Table:
    caption = (
        "As printed, and what follows from t. *10 df*: Student's, of six and six listeners; *5 df*: the fewest that "
        "Welch's test may have, and what pairs of six have; Holm over these tests. *implied SE*: of the difference in "
        "the study's own confusions, by its t. One t is printed for two different measures."
    )
    columns = {
        "claim": "claim", "t": "t", "printed p": "printed_p", "difference": _number("difference", 1, 100),
        "implied SE": _number("implied_se", 1, 100), "p, 10 df": _p("p_10"), "Holm, 10 df": _p("p_10_holm", bold=True),
        "p, 5 df": _p("p_5"), "Holm, 5 df": _p("p_5_holm", bold=True),
    }  # fmt: skip
    return _table("study-tests", "The study's tests", caption, found.tables["study_tests"], columns)


def _figures(found: Listened) -> Table:
    caption = (
        "Published figures in percent, beside what others of the study's figures give: UA with what rounding of its "
        "confusions allows; models on the listeners' 48 clips with a 95% interval for other clips and other folds."
    )
    columns = {"what": "what", "of": "of", "on": "on", "published": "published", "computed": "computed",
               "from … to": _between("lo", "hi", 1), "note": "note"}  # fmt: skip
    return _table("study-figures", "The study's figures of listeners", caption, found.tables["study_figures"], columns)
