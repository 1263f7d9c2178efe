"""Fold lists and their indices."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.errors import UserError
from utils.folds import DIGEST, PARTS, indices, read_excluded, read_folds, write_folds


def write(folder: Path, **parts: str) -> Path:
    for part in PARTS:
        (folder / "0").mkdir(parents=True, exist_ok=True)
        (folder / "0" / part).write_text("".join(f"{utt}\n" for utt in parts[part].split()))
    return folder


def test_folds_come_back_sorted_and_only_whole_numbers_are_folds(tmp_path: Path) -> None:
    folds = [{"train": ["b", "a"], "dev": ("c",), "test": {"d"}} for _ in range(11)]
    write_folds(tmp_path / "speaker", folds)
    (tmp_path / "speaker/reserved").mkdir()
    assert (tmp_path / "speaker/10/train").read_bytes() == b"a\nb\n"
    assert read_folds(tmp_path / "speaker") == [{"train": ["a", "b"], "dev": ["c"], "test": ["d"]}] * 11
    (tmp_path / "speaker/3").rename(tmp_path / "speaker/11")
    for folder, found in (("speaker", r"found \[0, 1, 2, 4"), ("none", "found none")):
        with pytest.raises(UserError, match=rf"{folder}: expected folds 0, 1, 2 ..., {found}"):
            read_folds(tmp_path / folder)


def test_folds_have_a_digest_of_all_that_their_lists_say(tmp_path: Path) -> None:
    fold = {"train": ["a", "b"], "dev": ["c"], "test": ["d"]}
    moved, fewer = fold | {"train": ["a"], "dev": ["b", "c"]}, fold | {"train": ["ab"]}
    written = [[fold], [fold | {"train": ["b", "a"]}], [fold, fold], [moved], [fewer]]
    digests = []
    for number, folds in enumerate(written):
        write_folds(tmp_path / str(number), folds)
        digests.append((tmp_path / str(number) / DIGEST).read_text())
    assert digests[0] == digests[1]
    assert len({*digests}) == len(written) - 1


def test_indices_are_places_and_absent_utterances_are_passed_over(tmp_path: Path) -> None:
    folder = write(tmp_path, train="a b d", dev="c", test="e gone")
    (fold,) = indices(folder, read_folds(folder), list("abcde"))
    assert {part: rows.tolist() for part, rows in fold.items()} == {"train": [0, 1, 3], "dev": [2], "test": [4]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": "a b", "dev": "gone", "test": "c"}, r"0/dev: no utterances; choose"),
        ({"train": "a b", "dev": "c", "test": "b"}, r"0: b is in two of train, dev and test"),
        ({"train": "a", "dev": "b c", "test": "c"}, r"0: c is in two of train, dev and test"),
    ],
)
def test_a_fold_that_cannot_be_used_is_named(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    folder = write(tmp_path, **parts)
    with pytest.raises(UserError, match=message):
        indices(folder, read_folds(folder), list("abc"))


def test_what_an_encoder_could_not_take_is_read_if_there_is_any(tmp_path: Path) -> None:
    assert read_excluded(tmp_path / "excluded.tsv") == set()
    (tmp_path / "excluded.tsv").write_text('item\treason\na\ttoo "short\nb\tno audio\n')
    assert read_excluded(tmp_path / "excluded.tsv") == {"a", "b"}
