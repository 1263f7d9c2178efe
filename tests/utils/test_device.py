"""Which device a job gets, from what the environment shows; no GPU is needed to tell."""

from __future__ import annotations

import os

import pytest

from utils import device
from utils.errors import UserError


@pytest.fixture(autouse=True)
def nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*device._SHOWN, "LOCAL_RANK"):
        # First set, so that what the test leaves is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("shown", "ngpu", "expected"),
    [
        ({}, 1, ["0", "0", "0"]),
        ({}, 2, ["0", "1", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "4"}, 2, ["4", "4", "4"]),
        ({"CUDA_VISIBLE_DEVICES": "4,7"}, 2, ["4", "7", "4"]),
        ({"CUDA_VISIBLE_DEVICES": "4,7"}, 1, ["4", "4", "4"]),
        ({"CUDA_VISIBLE_DEVICES": "MIG-a, GPU-b"}, 2, ["MIG-a", "GPU-b", "MIG-a"]),
        ({"SLURM_STEP_GPUS": "2,3", "SLURM_JOB_GPUS": "0,1,2,3"}, 2, ["2", "3", "2"]),
        ({"SLURM_JOB_GPUS": "5"}, 4, ["5", "5", "5"]),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_GPUS": "5"}, 1, ["0", "0", "0"]),
    ],
)
def test_jobs_take_the_gpus_shown_in_turn(monkeypatch, shown, ngpu, expected):
    for job, want in enumerate(expected, 1):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for name, value in shown.items():
            monkeypatch.setenv(name, value)
        assert device.choose(job, ngpu) == "cuda:0"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == want


@pytest.mark.parametrize("shown", ["", " ", "-1", "NoDevFiles"])
def test_no_gpu_shown_is_an_error_that_names_the_mend(monkeypatch, shown):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    with pytest.raises(UserError, match=r"--ngpu 1: CUDA_VISIBLE_DEVICES=.* shows this job no GPU; .* or use --ngpu 0"):
        device.choose(1, 1)
    assert device.choose(1, 0) == "cpu" and os.environ["CUDA_VISIBLE_DEVICES"] == shown


@pytest.mark.parametrize(("shown", "expected"), [(None, "cuda:2"), ("3,4,5,6", "cuda:2"), ("6", "cuda:0")])
def test_processes_of_torchrun_see_all_and_take_their_own(monkeypatch, shown, expected):
    monkeypatch.setenv("LOCAL_RANK", "2")
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert device.choose(1, 4) == expected
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == shown
    assert device.choose(1, 0) == "cpu"
