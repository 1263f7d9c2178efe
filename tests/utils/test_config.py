"""Typed configuration: every mistake in a file or on the command line is one line that names it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from utils import config
from utils.errors import UserError


@dataclass
class Inner:
    rate: float = 0.5
    steps: int = 10
    shuffle: bool = True
    cap: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"inner.steps: {self.steps} is not positive")


@dataclass
class Outer:
    name: str = "x"
    languages: list[str] = field(default_factory=lambda: ["de"])
    seeds: list[int] = field(default_factory=lambda: [0])
    inner: Inner = field(default_factory=Inner)


@pytest.fixture
def load(tmp_path):
    """Load a text with overrides."""

    def load(text: str, *overrides: str) -> Outer:
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        return config.load(Outer, tmp_path / "x.yaml", overrides)

    return load


def message(load, text: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load(text, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_file_gives_the_defaults(load):
    assert load("") == Outer()
    assert load("# nothing\n") == Outer()


def test_values_of_the_file_and_then_the_command_line(load):
    text = "name: y\ninner: {rate: 1e-3, steps: 4}\n"
    read = load(text, "inner.steps=5", "seeds=[1, 2]", "inner.cap=3", "inner.steps=6")
    assert read == Outer("y", ["de"], [1, 2], Inner(1e-3, 6, True, 3))
    assert load("inner: {cap: 4}", "inner.cap=null").inner.cap is None


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", ".0001", "0.0001", "+1e-4"])
def test_numbers_as_people_write_them(load, text):
    assert load("", f"inner.rate={text}").inner.rate == 1e-4
    assert load(f"inner: {{rate: {text}}}").inner.rate == 1e-4


@pytest.mark.parametrize("word", ["no", "on", "yes", "off", "y", "n", "No"])
def test_norwegian_is_a_language(load, word):
    assert load(f"languages: [{word}]", f"name={word}") == Outer(word, [word])


@pytest.mark.parametrize("word", ["falsetto", "true|", "Trueblue"])
def test_words_that_begin_as_booleans_do_are_words(load, word):
    assert load(f"languages: [{word}]\nname: {word}") == Outer(word, [word])


def test_booleans(load):
    assert load("", "inner.shuffle=false").inner.shuffle is False
    assert "inner.shuffle" in message(load, "", "inner.shuffle=maybe")


def test_values_with_equals_signs_and_quotes(load):
    assert load("", "name='a=b: c'").name == "a=b: c"
    assert load("", "name=$(touch x)").name == "$(touch x)"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("inner.step=3", ["unknown key 'inner.step'", "did you mean 'inner.steps'?"]),
        ("steps=3", ["unknown key 'steps'", "did you mean 'inner.steps'?"]),
        ("nonsense=3", ["unknown key 'nonsense'", "known keys: name, languages"]),
        ("inner.steps=abc", ["inner.steps", "abc"]),
        ("inner.steps=2.5", ["inner.steps", "2.5"]),
        ("inner.steps=true", ["inner.steps", "True"]),
        ("inner.steps=", ["inner.steps", "needs a value"]),
        ("inner.steps=0", ["0 is not positive"]),
        ("inner=3", ["inner is a section", "inner.field=value"]),
        ("inner=", ["inner is a section"]),
        ("inner={steps: 3}", ["inner is a section", "inner.field=value"]),
        ("languages=de", ["languages: expected a list, as in [a, b]"]),
        ("languages=[[de]]", ["languages[0]"]),
        ("seeds=[0,x]", ["seeds[1]", "x"]),
        ("inner.steps", ["expected key.path=value"]),
        ("inner.steps =3", ["without spaces"]),
        ("=3", ["expected key.path=value"]),
        ("name=[", ["not valid YAML"]),
        ("name=${nothing}", ["nothing"]),
    ],
)
def test_a_bad_override_is_named(load, override, words):
    text = message(load, "", override)
    for word in [f"--set {override}", *words]:
        assert word in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("inner: {step: 3}", ["'inner.step'", "'inner.steps'"]),
        ("inner: {steps: abc}", ["inner.steps", "abc"]),
        ("inner:", ["inner is a section"]),
        ("inner: [1]", ["inner is a section"]),
        ("inner: {rate: [1]}", ["inner.rate"]),
        ("name: a\nname: b\n", ["key 'name' twice", "line 2"]),
        ("inner: {rate: 1, rate: 2}", ["key 'rate' twice"]),
        ("[1, 2]", ["expected 'key: value' lines"]),
        ("3", ["expected 'key: value' lines"]),
        ("name: a: b", ["not valid YAML", "line 1"]),
        ("\tname: a", ["not valid YAML"]),
        ("name: !!bool maybe", ["not valid YAML", "maybe"]),
        ("name: !!timestamp x", ["not valid YAML"]),
        ("1: 2", ["unknown key '1'"]),
        ("languages: {de: 1}", ["languages: expected a list"]),
    ],
)
def test_a_bad_file_is_named(load, content, words):
    text = message(load, content)
    for word in ["x.yaml: ", *words]:
        assert word in text


def test_a_missing_file_a_folder_and_bytes(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UserError, match="no such configuration file"):
            config.load(Outer, path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        config.load(Outer, tmp_path / "b.yaml")


QUICK = settings(
    deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="$\ufeff"), max_size=8)


@QUICK
@given(
    st.builds(
        Outer,
        NAMES.filter(lambda name: name != "???"),
        st.lists(NAMES.filter(lambda name: name != "???")),
        st.lists(st.integers(-9, 9)),
        st.builds(Inner, st.floats(allow_nan=False), st.integers(1), st.booleans(), st.none() | st.integers()),
    )
)
def test_what_is_written_reads_back_the_same(tmp_path, made):
    path = tmp_path / "x.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.structured(made)), encoding="utf-8")
    assert config.load(Outer, path) == made


@QUICK
@given(
    st.sampled_from(["name", "inner", "inner.rate", "languages", "seeds", "seeds[0]", "x", "", "inner."]),
    st.text(st.sampled_from("ab01-.e[]{}:,=#&*!|>%@'\" \n\t${}?~")),
)
def test_no_override_is_a_traceback(tmp_path, key, value):
    (tmp_path / "x.yaml").write_text("name: a\n")
    with contextlib.suppress(UserError):
        assert isinstance(config.load(Outer, tmp_path / "x.yaml", [f"{key}={value}"]), Outer)


def test_a_key_may_override_what_a_merge_brings_in(tmp_path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert config.read_yaml(path)["b"] == {"x": 3, "y": 2}
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 3, y: 4}\n")
    with pytest.raises(UserError, match="key 'y' twice"):
        config.read_yaml(path)
