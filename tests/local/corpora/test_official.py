"""Every corpus: a small tree with official names prepares to golden tables, and planted faults are named.

``python3 -m tests.local.corpora.test_official [CORPUS ...]`` writes the golden tables anew; read their diff before
committing them.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from local.corpora import names, spec
from local.corpora.registry import module
from tests.local.corpora.official import Fault
from tests.local.corpora.trees import excluded, prepared, speech, table
from utils.data_dir_check import validate
from utils.errors import UserError

HERE = Path(__file__).resolve().parent
TREES = {
    path.stem: importlib.import_module(f"tests.local.corpora.official.{path.stem}")
    for path in sorted((HERE / "official").glob("[a-z]*.py"))
}
CORPORA = {corpus: tree for tree in TREES.values() for corpus in tree.CORPORA}
FAULTS = [
    pytest.param(tree, fault, id=f"{name}: {fault.name}") for name, tree in TREES.items() for fault in tree.FAULTS
]
NOT_TABLES = {".done"}


def tables(data_dir: Path, root: Path) -> dict[str, str]:
    """Read a data directory's files; the root of the corpus becomes ``ROOT``."""
    return {
        path.name: path.read_text(encoding="utf-8").replace(str(root), "ROOT")
        for path in sorted(data_dir.iterdir())
        if path.is_file() and path.name not in NOT_TABLES
    }


def test_every_corpus_has_a_tree() -> None:
    bundled = {name for name in names(HERE) if spec(name).module == "mini"}
    assert set(names(HERE)) - bundled == set(CORPORA)


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_tree_prepares_to_its_golden_tables(whole: Callable, corpus: str) -> None:
    root, data = whole(corpus)
    module(spec(corpus)).check(root, spec(corpus))
    validate(data)
    golden = {path.name: path.read_text(encoding="utf-8") for path in sorted((HERE / "golden" / corpus).iterdir())}
    assert tables(data, root) == golden


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Give a corpus's tree and its data directory, each made once; nobody may change them."""
    made: dict[str, tuple[Path, Path]] = {}

    def make(corpus: str) -> tuple[Path, Path]:
        if corpus not in made:
            folder = tmp_path_factory.mktemp(corpus)
            CORPORA[corpus].build(folder / "root")
            made[corpus] = folder / "root", prepared(folder / "root", folder / corpus, corpus)
        return made[corpus]

    return make


@pytest.mark.parametrize(("tree", "fault"), FAULTS)
def test_a_planted_fault_is_named(tmp_path: Path, whole: Callable, tree: object, fault: Fault) -> None:
    root, corpus = tmp_path / "root", fault.corpus or tree.CORPORA[0]
    sound, clean = whole(corpus)
    shutil.copytree(sound, root)
    fault.spoil(root)
    if fault.error:
        with pytest.raises(UserError) as caught:
            module(spec(corpus)).check(root, spec(corpus))
            prepared(root, tmp_path / corpus, corpus)
        assert re.search(fault.error, str(caught.value)), str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / corpus).exists()
        return
    module(spec(corpus)).check(root, spec(corpus))
    data = prepared(root, tmp_path / corpus, corpus)
    validate(data)
    before, after = excluded(clean), excluded(data)
    assert {item: reason for item, reason in after.items() if before.get(item) != reason} == fault.excluded
    assert set(table(clean, "utt2spk")) - set(table(data, "utt2spk")) == set(fault.lost)
    assert set(table(data, "utt2spk")) <= set(table(clean, "utt2spk"))


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_wrong_root_shows_the_layout(tmp_path: Path, corpus: str) -> None:
    reader = module(spec(corpus))
    speech(tmp_path / "elsewhere/a.wav")
    for root in (tmp_path / "elsewhere", tmp_path / "elsewhere/a.wav"):
        with pytest.raises(UserError) as caught:
            reader.check(root, spec(corpus))
        assert str(root) in str(caught.value) and reader.LAYOUT in str(caught.value)
        assert "\n" not in str(caught.value)


def _write_golden(corpora: list[str]) -> None:
    for corpus in corpora:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve() / "root"
            CORPORA[corpus].build(root)
            golden = HERE / "golden" / corpus
            golden.mkdir(parents=True, exist_ok=True)
            for old in golden.iterdir():
                old.unlink()
            for name, text in tables(prepared(root, Path(folder) / corpus, corpus), root).items():
                (golden / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write_golden(sys.argv[1:] or list(CORPORA))
