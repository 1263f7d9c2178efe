"""Archives: what we write, Kaldi's own readers read; what is damaged is an error with a name; jobs go on."""

from __future__ import annotations

import resource
import struct
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from utils import ark
from utils.ark import ArkWriter
from utils.errors import UserError

MATRICES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.floats(width=32, allow_nan=True)
)


@pytest.fixture
def two(tmp_path):
    """An archive of two 3 x 4 matrices ``a`` and ``b = a + 100``; returns its stem."""
    with ArkWriter(tmp_path / "feats") as writer:
        writer.write("a", np.arange(12.0).reshape(3, 4))
        writer.write("b", np.arange(12.0).reshape(3, 4) + 100)
    return tmp_path / "feats"


@settings(deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(matrices=st.lists(MATRICES, min_size=1, max_size=4))
def test_both_libraries_read_back_every_bit(tmp_path, matrices):
    kaldiio = pytest.importorskip("kaldiio")
    native = pytest.importorskip("kaldi_native_io")
    for path in tmp_path.iterdir():
        path.unlink()
    with ArkWriter(tmp_path / "f") as writer:
        for index, matrix in enumerate(matrices):
            writer.write(f"ä{index}", matrix)
    scp = tmp_path / "f.scp"
    entries = ark.read_scp(scp)
    assert list(entries) == [f"ä{index}" for index in range(len(matrices))]
    for matrix, key in zip(matrices, entries, strict=True):
        read = ark.load_mat(entries[key])
        np.testing.assert_array_equal(read, matrix)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(kaldiio.load_mat(entries[key]), matrix)
        np.testing.assert_array_equal(native.FloatMatrix.read(entries[key]).numpy(), matrix)
    # The archive also reads from its start, as Kaldi's "ark:feats.ark".
    streamed = dict(kaldiio.load_ark(str(tmp_path / "f.ark")))
    assert [value.tobytes() for value in streamed.values()] == [matrix.tobytes() for matrix in matrices]


def test_reads_what_kaldiio_writes_in_every_form(tmp_path):
    kaldiio = pytest.importorskip("kaldiio")
    matrix = np.linspace(-1, 1, 15).reshape(3, 5)
    cases = {"float": {}, "double": {}, "text": {"text": True}, "compressed": {"compression_method": 2}}
    for name, options in cases.items():
        content = {"u": matrix if name == "double" else matrix.astype(np.float32)}
        kaldiio.save_ark(str(tmp_path / name), content, scp=str(tmp_path / f"{name}.scp"), **options)
        read = ark.read_all(tmp_path / f"{name}.scp")
        assert read.dtype == np.float32
        np.testing.assert_allclose(read[0], matrix, atol=1e-2 if name == "compressed" else 1e-6)


@pytest.mark.parametrize("native", [False, True])
def test_an_archive_cut_anywhere_is_an_error_that_names_it(two, monkeypatch, native):
    if native:
        pytest.importorskip("kaldi_native_io")
        monkeypatch.setitem(sys.modules, "kaldiio", None)
    entries = ark.read_scp(two.with_suffix(".scp"))
    path = two.with_suffix(".ark")
    whole = path.read_bytes()
    np.testing.assert_array_equal(ark.load_mat(entries["b"]), np.arange(12.0).reshape(3, 4) + 100)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="rerun the features stage") as caught:
            ark.load_mat(entries["b"])
        assert entries["b"] in str(caught.value)
        assert "\n" not in str(caught.value)


def test_damaged_headers_are_errors_or_read_but_never_tracebacks(two):
    entries = ark.read_scp(two.with_suffix(".scp"))
    path = two.with_suffix(".ark")
    whole = path.read_bytes()
    offset = int(entries["b"].rsplit(":")[1])
    for place in range(offset, offset + 15):
        for value in (0, 1, 4, 8, 32, 127, 128, 255):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                ark.load_mat(entries["b"])
            except UserError:
                continue


@settings(deadline=None, derandomize=True, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(matrix=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 7)),
                         elements=st.floats(-65500, 65500, width=32)))  # fmt: skip
def test_16_bits_are_off_by_a_2048th_and_are_read_as_float32_with_either_library(tmp_path, matrix):
    kaldiio = pytest.importorskip("kaldiio")
    ark.write(tmp_path / "f", [("a", matrix), ("b", -matrix)], "float16")
    place = ark.read_scp(tmp_path / "f.scp")["b"]
    read = ark.load_mat(place)
    assert read.dtype == np.float32
    assert (np.abs(read + matrix) <= np.maximum(np.abs(matrix) / 2048, 2.0**-25)).all()
    np.testing.assert_array_equal(kaldiio.load_mat(place), read)
    assert list(dict(kaldiio.load_ark(str(tmp_path / "f.ark")))) == ["a", "b"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "kaldiio", None)
        np.testing.assert_array_equal(ark.load_mat(place), read)
    np.testing.assert_array_equal(ark.read_all(tmp_path / "f.scp", ["b"])[0], read)


def test_16_bits_take_half(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((13, 768), dtype=np.float32)
    for storage in ark.BYTES:
        ark.write(tmp_path / storage, [(str(n), matrix) for n in range(4)], storage)
    whole, half = ((tmp_path / f"{storage}.ark").stat().st_size for storage in ("float32", "float16"))
    assert half / whole == pytest.approx(0.5, abs=0.01)


def test_what_16_bits_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    ark.write(tmp_path / "f", [("a", np.full((1, 2), 65504.0))], "float16")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"f\.ark: b holds 70000, and float16 nothing above 65504; keep .*storage"):
        ark.write(tmp_path / "f", [("a", np.zeros((1, 2))), ("b", np.array([[1.0, -70000.0]]))], "float16")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_damage_to_16_bits_is_an_error_or_read_but_never_a_traceback(tmp_path):
    ark.write(tmp_path / "f", [("b", np.arange(12.0).reshape(3, 4))], "float16")
    place, path = ark.read_scp(tmp_path / "f.scp")["b"], tmp_path / "f.ark"
    whole = path.read_bytes()
    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="rerun the features stage"):
            ark.load_mat(place)
    for where in range(2, len(whole) - 24):
        for value in (0, 10, 48, 57, 128, 255):
            path.write_bytes(whole[:where] + bytes([value]) + whole[where + 1 :])
            try:
                ark.load_mat(place)
            except UserError:
                continue


def test_neither_library(two, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaldiio", None)
    monkeypatch.setitem(sys.modules, "kaldi_native_io", None)
    with pytest.raises(UserError, match="pip install kaldiio"):
        ark.read_all(two.with_suffix(".scp"))


def test_read_all_in_the_order_asked_for(two):
    scp = two.with_suffix(".scp")
    assert ark.read_all(scp).shape == (2, 3, 4)
    np.testing.assert_array_equal(ark.read_all(scp, ["b", "a"])[:, 0, 0], [100, 0])


def test_read_all_says_what_is_wrong(two, tmp_path):
    scp = two.with_suffix(".scp")
    with pytest.raises(UserError, match="2 utterances have no features, first c;"):
        ark.read_all(scp, ["a", "c", "d"])
    with pytest.raises(UserError, match="no utterances"):
        ark.read_all(scp, [])
    with ArkWriter(two) as writer:
        writer.write("c", np.zeros((2, 4)))
    with pytest.raises(UserError, match=r"c has the shape \(2, 4\), a has \(3, 4\)"):
        ark.read_all(scp)
    with pytest.raises(UserError, match=r"none\.scp: no such feature index"):
        ark.read_all(tmp_path / "none.scp")


@pytest.mark.parametrize(
    ("text", "message"), [("a x:1\n\n", ":2: expected"), ("a\n", ":1: expected"), ("a x:1\na y:2\n", ":2: the key a")]
)
def test_a_malformed_index_names_its_line(tmp_path, text, message):
    (tmp_path / "x.scp").write_text(text)
    with pytest.raises(UserError, match=message):
        ark.read_scp(tmp_path / "x.scp")


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "place", ["touch ran |", "touch ran |:1", "|touch ran:1", "x.ark:5[0:1]", "x.ark", "-:5", "-", "x.ark:-5", " |:1"]
)
def test_nothing_but_a_place_in_an_archive_is_read(tmp_path, monkeypatch, place, native):
    monkeypatch.chdir(tmp_path)
    if native:
        monkeypatch.setitem(sys.modules, "kaldiio", None)
    with pytest.raises(UserError, match="expected <archive>:<offset>; commands and slices are not read"):
        ark.load_mat(place)
    (tmp_path / "x.scp").write_text(f"a {place}\n")
    with pytest.raises(UserError, match="x.scp"):
        ark.read_all("x.scp")
    assert [path.name for path in tmp_path.iterdir()] == ["x.scp"]


def test_a_file_that_may_not_grow_leaves_whole_entries(tmp_path):
    matrix = np.zeros((10, 100))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*f\.ark"), ArkWriter(tmp_path / "f") as writer:
            for key in "abcdef":
                writer.write(key, matrix)
        with pytest.raises(OSError, match=r"File too large: .*g\.ark"):
            ark.write(tmp_path / "g", [(key, matrix) for key in "abcdef"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.ark", "f.scp"]
    assert ark.read_all(tmp_path / "f.scp").shape == (2, 10, 100)
    with ArkWriter(tmp_path / "f") as writer:
        assert writer.done == {"a", "b"}


def test_an_index_may_hold_tabs_and_blanks_in_paths(tmp_path):
    (tmp_path / "x.scp").write_text("a\tmy feats.ark:3\nb  x.ark:4\n")
    assert ark.read_scp(tmp_path / "x.scp") == {"a": "my feats.ark:3", "b": "x.ark:4"}


def test_a_writer_goes_on_where_it_was_interrupted(two):
    with open(two.with_suffix(".ark"), "ab") as file:
        file.write(b"c \0BFM \x04\x03")  # a matrix that was cut short
    with ArkWriter(two) as writer:
        assert writer.done == {"a", "b"}
        writer.write("c", np.full((3, 4), 7.0))
        assert writer.done == {"a", "b", "c"}
    assert ark.read_all(two.with_suffix(".scp"))[:, 0, 0].tolist() == [0, 100, 7]


@pytest.mark.parametrize("tail", ["b", "b ", "b feats.ar", "b feats.ark:5x\n", "b\n", "b none.ark:3\n"])
def test_a_damaged_end_of_the_index_is_done_again(two, tail):
    scp = two.with_suffix(".scp")
    scp.write_text(scp.read_text().splitlines()[0] + "\n" + tail)
    with ArkWriter(two) as writer:
        assert writer.done == {"a"}
        writer.write("b", np.full((3, 4), 7.0))
    assert ark.read_all(scp, ["a", "b"])[:, 0, 0].tolist() == [0, 7]


def test_lines_whose_matrix_was_lost_are_done_again(two):
    path = two.with_suffix(".ark")
    whole = path.read_bytes()
    for length, done in [(len(whole), {"a", "b"}), (len(whole) - 1, {"a"}), (len(whole) // 2, {"a"}), (20, set())]:
        scp = two.with_suffix(".scp").read_text()
        path.write_bytes(whole[:length])
        ArkWriter(two).close()
        with ArkWriter(two) as writer:
            assert writer.done == done
        two.with_suffix(".scp").write_text(scp)
    path.unlink()
    with ArkWriter(two) as writer:
        assert writer.done == set()


@pytest.mark.parametrize("key", ["", "a b", "a\n", "\ta", "a"])
def test_a_writer_refuses_keys_that_would_damage_the_index(two, key):
    with ArkWriter(two) as writer, pytest.raises(ValueError, match="blanks or occurs twice"):
        writer.write(key, np.zeros((1, 1)))
    assert set(ark.read_scp(two.with_suffix(".scp"))) == {"a", "b"}


def test_the_bytes_are_kaldis(tmp_path):
    with ArkWriter(tmp_path / "f") as writer:
        writer.write("utt", np.array([[1.5, -2.0]], dtype=np.float16))
    expected = b"utt \0BFM \x04" + struct.pack("<i", 1) + b"\x04" + struct.pack("<i", 2) + struct.pack("<2f", 1.5, -2)
    assert (tmp_path / "f.ark").read_bytes() == expected
    assert (tmp_path / "f.scp").read_text() == f"utt {tmp_path / 'f.ark'}:4\n"


def spoil_twice(stem):
    """What two writers at once left: the second's entries after the first's, a key twice."""
    scp = stem.with_suffix(".scp")
    scp.write_text(scp.read_text() + scp.read_text().splitlines()[0] + "\n")
    return {"a", "b"}, "feats.scp:3: the key a occurs twice; made again from here on, 1 of 3"


def spoil_half_a_line(stem):
    scp = stem.with_suffix(".scp")
    scp.write_text(scp.read_text()[:-3])
    return {"a"}, "feats.scp:2: not a whole line of this archive; made again from here on, 1 of 2"


def spoil_the_middle(stem):
    scp = stem.with_suffix(".scp")
    scp.write_text(scp.read_text().replace("\n", "0\n", 1))
    return set(), "feats.scp:1: the archive holds no matrix of a there; made again from here on, 2 of 2"


def spoil_the_offset(stem):
    scp = stem.with_suffix(".scp")
    scp.write_text(scp.read_text().replace("\n", "99999\n").replace("99999\n", "\n", 1))
    return {"a"}, "feats.scp:2: the archive holds no matrix of b there; made again from here on, 1 of 2"


def spoil_the_archive(stem):
    ark_path = stem.with_suffix(".ark")
    ark_path.write_bytes(ark_path.read_bytes()[:-1])
    return {"a"}, "feats.scp:2: the archive ends within the matrix of b; made again from here on, 1 of 2"


@pytest.mark.parametrize(
    "spoil", [spoil_twice, spoil_half_a_line, spoil_the_middle, spoil_the_offset, spoil_the_archive]
)
def test_what_is_damaged_is_said_and_made_again_with_the_same_bytes(two, spoil, capsys):
    paths = [two.with_suffix(".ark"), two.with_suffix(".scp")]
    whole = [path.read_bytes() for path in paths]
    done, message = spoil(two)
    with ArkWriter(two) as writer:
        assert writer.done == done
        for place, key in enumerate("ab"):
            if key not in done:
                writer.write(key, np.arange(12.0).reshape(3, 4) + 100 * place)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.rstrip().endswith(message)
    assert [path.read_bytes() for path in paths] == whole
    ArkWriter(two).close()
    assert capsys.readouterr().err == ""


def test_a_second_writer_is_refused(two):
    with ArkWriter(two), pytest.raises(UserError, match="feats.ark: another process is writing it"):
        ArkWriter(two)
    ArkWriter(two).close()
