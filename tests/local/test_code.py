"""What code the results of the stages depend on, in the repository as it is."""

from __future__ import annotations

import ast
import shutil

import pytest

from local import encoders
from local.encoders.kinds import KINDS
from local.features import work
from local.finetune import conditions as finetune
from local.finetune.strategies import modules
from local.probe import conditions as probe
from local.sed import conditions as sed
from utils import closure

HF, EGEMAPS = "local.encoders.hf", "local.encoders.egemaps"
RESULTS = {
    "features of a model": [*work.CODE, HF],
    "egemaps": [*work.CODE, EGEMAPS],
    "probe": probe.CODE,
    "finetune training": [*finetune.TRAINING_CODE, HF, *modules("lora+wg")],
    "finetune": [*finetune.CODE, HF],
    "sed training": [*sed.TRAINING_CODE, HF],
    "sed": [*sed.CODE, HF],
}


@pytest.fixture(scope="module")
def closures():
    return {result: set(closure.digests(code)) for result, code in RESULTS.items()}


class _Other(ast.NodeTransformer):
    """Changes the first number, whatever it is for, or else the first string that is no docstring or message."""

    def __init__(self, kind: type):
        self.kind, self.done = kind, False

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return node if getattr(node.func, "id", "") in ("UserError", "print") else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.done or type(node.value) is not self.kind:
            return node
        self.done = True
        return ast.Constant(node.value + (1 if self.kind is int else "x"))


def changed(text: str) -> str:
    """A module's text with another constant."""
    for kind in (int, str):
        other = _Other(kind)
        tree = other.visit(ast.parse(text))
        if other.done:
            return ast.unparse(tree)
    return f"{text}\nANOTHER = 1\n"


@pytest.mark.integration
def test_a_constant_anywhere_counts_for_what_depends_on_it_and_words_nowhere(tmp_path, closures):
    for package in ("local", "utils"):
        shutil.copytree(closure.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))

    def digests() -> dict[str, dict[str, str]]:
        closure._closure.cache_clear()
        return {result: closure.digests(code, tmp_path) for result, code in RESULTS.items()}

    before = digests()
    assert {result: set(own) for result, own in before.items()} == closures
    for name in sorted(set().union(*closures.values())):
        path = tmp_path / name
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        tree.body.insert(0, ast.Expr(ast.Constant("Another docstring.")))
        for new, counts in ((ast.unparse(tree), False), (changed(text), True)):
            path.write_text(new, encoding="utf-8")
            del closure._files[path]
            after = digests()
            stale = {result for result in RESULTS if after[result] != before[result]}
            assert stale == {result for result in RESULTS if counts and name in closures[result]}, name
        path.write_text(text, encoding="utf-8")
        del closure._files[path]


def test_what_decides_numbers_is_there(closures):
    for result, names in {
        "features of a model": "features/pipeline features/shard encoders/transformer encoders/frontend "
        "encoders/general encoders/loading",
        "egemaps": "features/pipeline encoders/egemaps encoders/base",
        "probe": "probe/conditions probe/run probe/group probe/heads probe/scale probe/features probe/logreg "
        "grid/conditions results/corpus results/write results/languages",
        "finetune training": "finetune/conditions finetune/run finetune/fit finetune/data finetune/model "
        "finetune/attach finetune/strategies/wg finetune/trainer encoders/transformer encoders/loading "
        "grid/conditions results/corpus models/store models/curve",
        "finetune": "finetune/apply finetune/data encoders/loading grid/conditions results/corpus results/write "
        "results/languages models/store",
        "sed training": "sed/conditions sed/run sed/model/brain sed/model/decode results/eder sed/data/sets "
        "encoders/loading grid/conditions models/store models/curve",
        "sed": "sed/conditions sed/apply sed/score/condition results/eder sed/score/baselines sed/model/published "
        "sed/model/decode encoders/loading grid/conditions results/languages models/store",
    }.items():
        assert {f"local/{name}.py" for name in names.split()} <= closures[result], result
    for result, names in {
        "features of a model": "audio data_dir ark",
        "probe": "ark folds metrics data_dir table",
        "finetune training": "audio data_dir folds metrics reproducible feature_cache dropout",
        "sed training": "audio rttm reproducible feature_cache",
        "sed": "intervals rttm",
    }.items():
        assert {f"utils/{name}.py" for name in names.split()} <= closures[result], result


def test_what_cannot_matter_is_not_there(closures):
    everything = set().union(*closures.values())
    assert not {name for name in everything if name.startswith(("local/report", "local/score", "local/splits"))}
    assert not {"local/experiment/schema.py", "utils/errors.py", "utils/stamp.py", "utils/closure.py"} & everything
    assert not any(name.endswith("plan.py") for name in everything)
    # Encoders of one kind do not depend on another's; a model does not depend on what only tests it.
    assert "local/encoders/egemaps.py" not in closures["features of a model"] | closures["finetune"] | closures["sed"]
    assert "local/encoders/transformer.py" not in closures["egemaps"] | closures["probe"]
    later = ("local/finetune/apply.py", "local/finetune/train.py", "local/results/write.py", "local/grid/jobs.py")
    assert not set(later) & closures["finetune training"]
    later = ("local/sed/apply.py", "local/sed/score/condition.py", "local/sed/make.py")
    assert not set(later) & closures["sed training"]
    # What an experiment asks for, and the words of it, decide no result.
    assert not {f"local/finetune/strategies/{name}.py" for name in ("__init__", "ba", "prompt")} & everything
    asking = ("local/grid/factors.py", "local/grid/manifest.py", "local/grid/pairs.py", "local/grid/jobs.py")
    assert not set(asking) & everything


def test_every_encoder_names_the_module_that_makes_it():
    kinds = {encoders.spec(name, closure.ROOT).module for name in encoders.names(closure.ROOT)}
    assert kinds <= set(KINDS.values()) and HF in kinds


def test_modules_that_no_result_depends_on_exist_and_hide_none_that_matters():
    neutral = {
        name: closure._find(name, closure.ROOT)
        for package in ("local", "utils")
        for name in closure._file(closure._find(package, closure.ROOT), package).neutral
    }
    assert all(neutral.values())
    # What is imported through a neutral package is not followed, so it must be neutral too.
    for name, path in neutral.items():
        if path.name == "__init__.py":
            ours = {found.module for found in closure._file(path, name).imports if found.module.startswith("local")}
            assert ours <= set(neutral), name
