"""Kaldi's files for slurm.pl and queue.pl mean here what they mean there."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.jobs import UsageError, parse
from utils.schedulers import GridEngine, Slurm, arguments

# As sites write them: comments, a wildcard with several words, exact values that win, a default.
QUEUE = """# Default configuration
command qsub -v PATH -cwd -S /bin/bash -j y -l arch=*64*
option mem=* -l mem_free=$0,ram_free=$0
option mem=0          # Do not add anything to qsub_opts
option num_threads=* -pe smp $0
option num_threads=1  # Do not add anything to qsub_opts
option max_jobs_run=* -tc $0
default gpu=0
option gpu=0
option gpu=* -l gpu=$0 -q g.q
option hostname=* -l "hostname=$0"

"""
SLURM = """command sbatch --export=PATH  --ntasks-per-node=1
option time=* --time $0
option mem=* --mem-per-cpu $0
option mem=0
option num_threads=* --cpus-per-task $0 --ntasks-per-node=1
default gpu=0
option gpu=0 -p shared
option gpu=* -p gpu --gres=gpu:$0 --time 4:0:0  # this has to be figured out
"""
QSUB = ["qsub", "-v", "PATH", "-cwd", "-S", "/bin/bash", "-j", "y", "-l", "arch=*64*"]
SBATCH = ["sbatch", "--export=PATH", "--ntasks-per-node=1"]


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        (QUEUE, {}, QSUB),
        (QUEUE, {"mem": "4G"}, [*QSUB, "-l", "mem_free=4G,ram_free=4G"]),
        (QUEUE, {"mem": "0", "num_threads": "1"}, QSUB),
        (QUEUE, {"num_threads": "4", "gpu": "2"}, [*QSUB, "-l", "gpu=2", "-q", "g.q", "-pe", "smp", "4"]),
        (QUEUE, {"hostname": "b*|c d"}, [*QSUB, "-l", "hostname='b*|c d'"]),
        (SLURM, {}, [*SBATCH, "-p", "shared"]),
        (SLURM, {"gpu": "1"}, [*SBATCH, "-p", "gpu", "--gres=gpu:1", "--time", "4:0:0"]),
        (SLURM, {"gpu": "0", "mem": "4G", "time": "1:00:00"},
         [*SBATCH, "-p", "shared", "--mem-per-cpu", "4G", "--time", "1:00:00"]),
    ],
)  # fmt: skip
def test_options_become_words_as_the_file_says(tmp_path, text, given, expected):
    file = tmp_path / "site.conf"
    file.write_text(text)
    words = arguments(file, given)
    if given == {"hostname": "b*|c d"}:
        words = [word.replace('"', "") for word in words]
    assert words == expected


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        (SLURM, {"memory": "4G"}, "option --memory 4G: {file} has no line 'option memory=* ...'"),
        ("command sbatch\noption gpu=0\n", {"gpu": "1"}, "option --gpu 1: {file} has no line"),
        ("option gpu=0\n", {}, "{file}: no line 'command ...' in it"),
        ("command sbatch\nmem=4G\n", {}, "{file}:2: 'mem=4G': expected"),
        (None, {}, "option --config: {file} cannot be read: No such file"),
    ],
)
def test_a_file_or_an_option_that_makes_no_sense(tmp_path, text, given, words):
    file = tmp_path / "site.conf"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as error:
        arguments(file, given)
    assert words.format(file=file) in str(error.value)


def test_the_recipes_file_comes_before_the_repositorys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = parse(["--mem", "4G", "-l", "x=1", "--max-jobs-run", "3", "--gpu=1", "JOB=1:2", "x.JOB.log", "true"])
    assert Slurm().command(call) == ["sbatch", "--export=PATH", "--gres=gpu:1", "--mem-per-cpu", "4G", "-l", "x=1"]
    assert GridEngine().command(call)[:3] == ["qsub", "-v", "PATH"]
    Path("conf").mkdir()
    Path("conf/slurm.conf").write_text(SLURM)
    assert Slurm().command(call)[:5] == [*SBATCH, "-p", "gpu"]
    (tmp_path / "other.conf").write_text("command other\noption mem=* $0\noption gpu=*\n")
    call = parse(["--config", "other.conf", *call.only([2])])
    assert (Slurm().command(call), call.numbers, call.max_jobs) == (["other", "4G", "-l", "x=1"], [2], 3)
