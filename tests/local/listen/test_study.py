"""Study A's figures of listeners: what follows from them and what does not."""

from __future__ import annotations

import pytest

from local.listen import study
from tests.conftest import REPO

FILE = REPO / "conf/study_a_listeners.yaml"


def test_p_follows_from_t_and_students_degrees_of_freedom():
    rows = {row["claim"]: row for row in study.tests(FILE)}
    sad = rows["recall of sad, across three languages"]
    assert round(float(sad["p_10"]), 3) == float(sad["printed_p"]) == 0.022
    assert all(float(row["p_10"]) < 0.001 for row in rows.values() if row["printed_p"] == "< 0.001")
    # With the fewest degrees of freedom that Welch's test can have, and after Holm, two of five are left over 0.01.
    assert float(sad["p_5_holm"]) > 0.04
    happy = rows["recall of happy, German clips: zh less de"]
    assert float(happy["difference"]) == pytest.approx(0.38 - 0.94)
    assert float(happy["implied_se"]) == pytest.approx(0.0746, abs=1e-4)
    neutral = rows["precision of neutral, German clips: zh less de"]
    assert float(neutral["difference"]) == pytest.approx(0.93 / 1.56 - 0.83 / 0.92, abs=1e-4)


def test_figures_that_agree_and_those_that_do_not():
    rows = list(study.figures(FILE))
    ua = {(row["of"], row["on"]): row["note"] for row in rows if row["what"].startswith("UA of listeners, by")}
    assert [key for key, note in ua.items() if note != "agrees"] == [("de", "de")]
    (number,) = (row for row in rows if row["what"] == "clips a language")
    assert (number["published"], number["computed"]) == (144, 48)
    assert "48 a language, and 144 in three; all 45 accuracies in the logs are of 48" in number["note"]
    (cross,) = (row for row in rows if row["on"] == "cross, de clips")
    assert cross["published"] == "77.1" and float(cross["lo"]) < 73.3 < float(cross["hi"])


def test_our_listeners_stand_beside_the_studys():
    scores = [{"who": "people", "group": "de", "language": "zh", "ua": "0.5", "ua_lo": "0.4", "ua_hi": "0.6"}]
    rows = {(row["of"], row["on"]): row for row in study.figures(FILE, scores, ["tjd"])}
    assert set(rows) == {("zh", "tj"), ("de", "tj")}
    beside = rows["de", "tj"]
    assert (beside["published"], beside["computed"], beside["lo"]) == (29.2, "50.0", "40.0")
    assert (rows["zh", "tj"]["published"], rows["zh", "tj"]["computed"]) == (67.5, "")
    found = study.figures(FILE, scores, ["esd", "pavoque"])
    both = {(row["of"], row["on"]): row for row in found if "ours" in row["what"]}
    assert len(both) == 8 and both["de", "zh"]["computed"] == "50.0"
