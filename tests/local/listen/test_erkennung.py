"""EmoDB's perception test: rates and numbers of listeners, and what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.listen import erkennung
from utils.errors import UserError

HEAD = "Nr.\tSatz\terkannt\tnatuerlich\n"
HARD = "\xa0" * 5


def write(path: Path, *lines: str) -> Path:
    path.write_bytes((HEAD + "".join(f"{line}\r\n" for line in lines)).encode("latin-1"))
    return path


def test_reads_rates_of_20_and_of_21_listeners(tmp_path):
    path = write(
        tmp_path / "erkennung.txt", f"1{HARD}\t03a01Fa.wav\t90,00{HARD}\t75,00{HARD}",
        f"2{HARD}\t03a01Nc.wav\t38,10{HARD}\t57,14{HARD}",
    )  # fmt: skip
    found = erkennung.read(path)
    assert found["03a01Fa"] == erkennung.Rated(0.9, 0.75, 20)
    assert found["03a01Nc"].listeners == 21 and found["03a01Nc"].recognised == 8 / 21


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1\t03a01Fa.wav\t90,00", ":2: expected number, name and two rates"),
        ("1\t03a01Fa.wav\tninety\t75,00", ":2: expected number, name and two rates"),
        ("1\t03a01Fa.wav\t91,00\t75,00", ":2:.*listeners"),
        ("1\t03a01Fa.wav\t105,00\t75,00", ":2:.*listeners"),
        ("1\t03a01Fa\t90,00\t75,00", ":2:.*listeners"),
    ],
)
def test_names_what_is_wrong(tmp_path, line, said):
    with pytest.raises(UserError, match=said):
        erkennung.read(write(tmp_path / "erkennung.txt", line))


def test_refuses_a_recording_twice_another_header_and_no_file(tmp_path):
    line = "1\t03a01Fa.wav\t90,00\t75,00"
    with pytest.raises(UserError, match=":3: 03a01Fa.wav is there twice"):
        erkennung.read(write(tmp_path / "twice.txt", line, line))
    (tmp_path / "other.txt").write_text("a,b\n")
    with pytest.raises(UserError, match="other.txt:1: expected the header"):
        erkennung.read(tmp_path / "other.txt")
    with pytest.raises(UserError, match="no such file"):
        erkennung.read(tmp_path / "none.txt")


def test_the_real_file(corpora):
    found = erkennung.read(corpora / "emodb" / "erkennung.txt")
    assert len(found) == 816
    # What the corpus kept is what its listeners recognised.
    kept = [path.stem for path in (corpora / "emodb" / "wav").glob("*.wav")]
    assert len(kept) == 339 and min(found[name].recognised for name in kept) == 0.8
    assert min(own.recognised for own in found.values()) == 0.1
