"""The server by itself: what it takes, what it keeps, what it never says, and what survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from local import experiment
from local.listen import answers, collect, sessions
from local.listen.routes import create_app
from local.listen.served import BURST, Served
from tests.local.listen.conftest import Server, command, free_port, write_world
from utils import config
from utils.registry import REPO

TRUE = {"language": "en", "agreed": True}


@pytest.fixture
def test(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A listening test of the world's clips, whose sessions are elsewhere."""
    monkeypatch.chdir(world)
    settings = config.load(experiment.Experiment, world / "conf/experiment.yaml", ["listen.headphones=0"])
    for name in ("clips.csv", "practice.csv", "audio"):
        (tmp_path / name).symlink_to(world / "exp/listen" / name)
    return Served(tmp_path, settings)


class Browser:
    """A client that keeps cookies, in this process."""

    def __init__(self, test: Served, number: int = 0) -> None:
        self.test, self.token = test, list(test.invited)[number]
        self.listener = test.invited[self.token].listener
        self.client = create_app(test).test_client()
        self.base = f"/t/{self.token}"
        self.cookie = self.client.get(f"{self.base}/state").headers.get("Set-Cookie", "")

    def post(self, path: str, body: object, **more):
        """Send something."""
        return self.client.post(f"{self.base}/{path}", json=body, **more)

    def get(self, path: str):
        """Ask for something."""
        return self.client.get(f"{self.base}/{path}")

    def save(self, key: str, **data):
        """Save an answer to a clip."""
        known = {"answer": "sad", "plays": 1, "rt_ms": 812.5} | data
        return self.post("save", {"key": key, "data": known})

    @property
    def plan(self) -> list[dict]:
        """The trials, as the browser knows them."""
        return self.get("state").json["plan"]

    @property
    def lines(self) -> list[dict]:
        """What is on the disk."""
        path = self.test.folder / "sessions" / f"{self.listener}.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def test_nothing_that_is_true_reaches_the_browser(test: Served) -> None:
    one, other = Browser(test), Browser(test, 1)
    said = [one.client.get(one.base).text]
    assert one.post("start", TRUE).status_code == other.post("start", TRUE).status_code == 200
    said += [one.get("state").text, other.get("state").text]
    names = [trial["clip"] for trial in one.plan]
    replies = [one.get(f"clip/{name}") for name in names]
    assert all(reply.status_code == 200 and reply.data[:4] == b"RIFF" for reply in replies)
    said += [str(reply.headers) for reply in replies]
    for clip in [*test.clips, *test.practice]:
        names_of_ours = (f'"{clip.clip}"', f"{clip.clip}.wav", str(test.folder))
        for secret in (clip.utt, clip.speaker, clip.sentence, clip.corpus, *names_of_ours):
            assert not any(secret in text for text in said), secret
    # A clip goes by another name for everybody, and under each other's they get nothing.
    assert not set(names) & {trial["clip"] for trial in other.plan}
    assert other.get(f"clip/{names[0]}").status_code == 404
    assert {key for trial in one.plan for key in trial} == {"key", "kind", "task", "say", "clip"}
    # Whatever was answered before, the page is told nothing of right and wrong.
    assert one.save(one.plan[0]["key"]).json == {"saved": one.plan[0]["key"], "new": True}


def test_a_link_is_for_one_browser(test: Served) -> None:
    one, thief = Browser(test), Browser(test)
    assert one.get("state").json["status"] == "new"
    assert "plan" not in one.get("state").json
    assert one.post("save", {"key": "t1", "data": {}}).status_code == 403
    cookie = one.cookie
    assert one.post("start", TRUE).status_code == 200
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and f"Path={one.base}" in cookie
    assert cookie.split("=")[1].split(";")[0] not in (test.folder / "sessions" / f"{one.listener}.jsonl").read_text()
    assert one.get("state").json["status"] == "open"
    assert thief.get("state").json["status"] == "taken"
    assert thief.post("start", TRUE).status_code == 409
    assert thief.save("t1").status_code == 403
    assert thief.post("withdraw", {}).status_code == 403
    assert one.client.get("/t/no-such-token").status_code == one.client.get("/t/no-such-token/state").status_code == 404
    # Begun twice by a double click, it is one session.
    assert one.post("start", TRUE).status_code == 200
    assert [event["event"] for event in one.lines] == ["start"]


def test_a_browser_without_cookies_does_not_spend_the_link(test: Served) -> None:
    one = Browser(test)
    one.client.delete_cookie("listen", path=one.base)
    assert one.post("start", TRUE).status_code == 400 and one.lines == []
    # The state gives another one, and keeps it however often it is asked.
    cookies = [one.get("state").headers.get("Set-Cookie", "") for _ in range(2)]
    assert cookies[0] and not cookies[1]
    assert one.post("start", TRUE).status_code == 200 and one.get("state").json["status"] == "open"


def test_an_answer_is_kept_once(test: Served) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    key = next(trial["key"] for trial in one.plan if trial["kind"] == "trial")
    assert one.save(key, answer="sad").json == {"saved": key, "new": True}
    assert one.save(key, answer="angry").json == {"saved": key, "new": False}
    kept = [event for event in one.lines if event["event"] == "save"]
    assert len(kept) == 1 and kept[0]["data"]["answer"] == "sad"


@pytest.mark.parametrize(
    "data",
    [
        {"answer": "bored"}, {"answer": ["sad"]}, {"plays": 0}, {"plays": True}, {"plays": 1.5}, {"rt_ms": -1},
        {"rt_ms": "1"}, {"rt_ms": float("nan")}, {"rt_ms": 1e300}, {"rt_ms": 10**400}, {"more": 1},
        {"start": 0.1, "end": 0.2},
    ],
)  # fmt: skip
def test_what_no_page_sends_is_refused_and_not_kept(test: Served, data: dict) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    key = next(trial["key"] for trial in one.plan if trial["task"] == "choice")
    assert one.save(key, **data).status_code == 400
    assert len(one.lines) == 1


@pytest.mark.parametrize("part", [(0.2, 0.2), (0.3, 0.1), (-0.1, 0.2), (0.1, 0.9), (None, 0.2), (0.1,)])
def test_a_part_lies_within_its_clip(test: Served, part: tuple) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    key = next(trial["key"] for trial in one.plan if trial["task"] == "segment")
    assert one.save(key, **dict(zip(("start", "end"), part, strict=False))).status_code == 400
    assert one.save(key, start=0.1, end=0.825).status_code == 200  # a browser's idea of how long it is
    assert one.lines[-1]["data"]["end"] == 0.8


@pytest.mark.parametrize("body", [[], {}, {"key": "t1"}, {"key": 1, "data": {}}, {"key": "t999", "data": {}}])
def test_other_bodies_are_refused(test: Served, body: object) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    assert one.post("save", body).status_code == 400
    assert one.client.post(f"{one.base}/save", data="key=t1").status_code == 415
    assert one.post("save", body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 415
    for text in ("{" * 20, "[" * 16000):
        assert one.client.post(f"{one.base}/save", data=text, content_type="application/json").status_code == 400
    assert one.client.post(f"{one.base}/save", json={"key": "t1" * 10000, "data": {}}).status_code == 413
    assert one.post("start", {"language": "xx", "agreed": True}).status_code == 400
    assert one.post("start", {"language": "en", "agreed": "yes"}).status_code == 400


def test_one_listener_cannot_ask_without_end_and_hinders_nobody(test: Served) -> None:
    one, other = Browser(test), Browser(test, 1)
    codes = [one.get("state").status_code for _ in range(3 * BURST)]
    assert codes[0] == 200 and codes.count(429) > BURST
    assert other.get("state").status_code == 200


def test_every_reply_forbids_what_is_not_ours(test: Served) -> None:
    one = Browser(test)
    for path in (one.base, f"{one.base}/state", "/static/listen.js", "/nowhere", "/static/../server.py"):
        reply = one.client.get(path)
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert one.client.get("/exp/listen/tokens.csv").status_code == 404
    assert (test.folder / "tokens.csv").stat().st_mode & 0o077 == 0


HOSTILE = ['&+%="<script>', "=1+1", "+49", "-2", "@SUM(A)", "你好 ü", "\t=1", "'", '"', "a\nb", "\ud800", "{{7}}"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_data(test: Served, value: str) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    data = dict.fromkeys(test.listen.questions, value) | {"age": ""}
    assert one.post("save", {"key": "q", "data": data}).status_code == 200
    collect.collect(test.folder)
    kept = answers.read_listeners(test.folder / "listeners.csv")[0]
    assert kept.native_language == value.encode("utf-8", "replace").decode().strip()
    assert one.post("save", {"key": "q", "data": data}).json["new"] is False


def test_too_long_a_text_and_another_age_are_refused(test: Served) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    data = dict.fromkeys(test.listen.questions, "")
    for wrong in ({"gender": "x" * 301}, {"gender": 1}, {"age": "17"}, {"gender": "\0"}, {"name": "me"}):
        assert one.post("save", {"key": "q", "data": data | wrong}).status_code == 400


def test_withdrawing_removes_all_but_that_the_link_is_spent(test: Served) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    one.post("save", {"key": "q", "data": dict.fromkeys(test.listen.questions, "") | {"gender": "unmistakable"}})
    collect.collect(test.folder)
    (test.folder / "by_listener.csv").write_text(f"listener,recall\n{one.listener},0.5\n")
    assert one.post("withdraw", {}).status_code == 200
    assert one.listener not in (test.folder / "listeners.csv").read_text()
    assert not (test.folder / "by_listener.csv").exists()
    assert [event["event"] for event in one.lines] == ["gone"]
    assert not any(b"unmistakable" in path.read_bytes() for path in test.folder.rglob("*") if path.is_file())
    assert one.get("state").json["status"] == "gone" and one.post("start", TRUE).status_code == 409
    # And by its token, when no browser has it any more.
    other = Browser(test, 1)
    other.post("start", TRUE)
    collect.collect(test.folder)
    collect.change(test.folder, other.token, None)
    collect.collect(test.folder)
    assert [event["event"] for event in other.lines] == ["gone"]
    assert answers.read_listeners(test.folder / "listeners.csv") == []


def test_who_was_made_up_is_not_counted_with_people(test: Served) -> None:
    made_up = sessions.Session(test.folder / "sessions/simulated_de01.jsonl")
    start = {"event": "start", "group": "de", "language": "en", "consent": "simulated", "simulated": True, "plan": []}
    made_up.add(start)
    collect.collect(test.folder)
    assert [one.listener for one in answers.read_listeners(test.folder / "listeners.csv")] == ["simulated_de01"]
    one = Browser(test)
    one.post("start", TRUE)
    collect.collect(test.folder)
    assert [own.listener for own in answers.read_listeners(test.folder / "listeners.csv")] == [one.listener]


def test_a_released_link_goes_on_elsewhere(test: Served) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    key = one.plan[0]["key"]
    one.save(key)
    collect.change(test.folder, None, one.listener)
    later = Browser(Served(test.folder, test.settings))
    assert later.get("state").json["status"] == "new"
    assert later.post("start", TRUE).status_code == 200
    assert later.get("state").json["saved"] == [key]


def test_a_line_that_was_cut_off_is_taken_away(test: Served) -> None:
    one = Browser(test)
    one.post("start", TRUE)
    one.save(one.plan[0]["key"])
    path = test.folder / "sessions" / f"{one.listener}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"save","key":"t')
    again = sessions.read(test.folder, one.listener, mend=True)
    assert path.read_bytes() == whole and len(again.events) == 2


class Wire:
    """A listener who answers over the network."""

    def __init__(self, link: str) -> None:
        self.base, self.acknowledged, self.cookie = link, [], ""
        self.http = urllib3.PoolManager(retries=False, timeout=60)  # a busy disk takes its time to sync

    def ask(self, path: str, body: object = None) -> dict:
        """Ask, or send, until it is taken."""
        while True:
            method = "GET" if body is None else "POST"
            reply = self.http.request(method, f"{self.base}/{path}", json=body, headers={"Cookie": self.cookie})
            if reply.status != 429:
                assert reply.status == 200, reply.data
                self.cookie = reply.headers.get("Set-Cookie", self.cookie).split(";")[0]
                return reply.json()
            time.sleep(0.2)

    def answer(self, gate: threading.Barrier | None = None) -> None:
        """Take the whole test."""
        if gate:
            gate.wait()
        self.ask("state")
        self.ask("start", TRUE)
        for trial in self.ask("state")["plan"]:
            part = {"start": 0.1, "end": 0.3} if trial["task"] == "segment" else {}
            self.ask("save", {"key": trial["key"], "data": {"answer": "sad", "plays": 1, "rt_ms": 900} | part})
            self.acknowledged.append(trial["key"])


def kept(root: Path, listener: str) -> list[str]:
    """What is on the disk of a listener."""
    path = root / "exp/listen/sessions" / f"{listener}.jsonl"
    return [event["key"] for event in map(json.loads, path.read_text().splitlines()) if event["event"] == "save"]


@pytest.mark.integration
def test_two_hundred_listeners_at_once_lose_nothing(serve, tmp_path: Path) -> None:
    root = write_world(tmp_path, listeners=100)
    assert command(root, "local.listen.clips").returncode == 0
    server = serve(root)
    people = {listener: Wire(link) for listener, link in server.links.items()}
    assert len(people) == 200
    gate = threading.Barrier(200)
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(lambda one: one.answer(gate), people.values()))
    # It says no more however much is asked of it, or would wait for who reads its output.
    assert (root / "server.log").read_text().splitlines()[-1].startswith("serving")
    for listener, one in people.items():
        assert len(one.acknowledged) == 15 and kept(root, listener) == one.acknowledged
    assert "2200 answers of 200 listeners (200 at the end)" in command(root, "local.listen.collect").stdout
    assert len(answers.read_answers(root / "exp/listen/answers.csv")) == 2200


@pytest.mark.integration
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(serve, tmp_path: Path) -> None:
    root = write_world(tmp_path, listeners=10)
    assert command(root, "local.listen.clips").returncode == 0
    port = free_port()
    server: Server = serve(root, port)
    people = {listener: Wire(link) for listener, link in server.links.items()}

    def until_it_dies(one: Wire) -> None:
        try:
            one.answer()
        except (urllib3.exceptions.HTTPError, ValueError):
            return

    with ThreadPoolExecutor(len(people)) as pool:
        running = [pool.submit(until_it_dies, one) for one in people.values()]
        while sum(len(one.acknowledged) for one in people.values()) < 60:
            time.sleep(0.001)
        server.kill()
        for one in running:
            one.result()
    assert any(len(one.acknowledged) < 15 for one in people.values())
    for listener, one in people.items():
        assert kept(root, listener)[: len(one.acknowledged)] == one.acknowledged
    # The links are the same, and everybody goes on.
    again = serve(root, port)
    assert again.links == server.links
    for one in people.values():
        assert not one.acknowledged or set(one.acknowledged) <= set(one.ask("state")["saved"])


@pytest.mark.integration
def test_only_one_server_writes(serve, world: Path) -> None:
    serve(world)
    second = command(world, "local.listen.server", "--set", f"listen.port={free_port()}")
    assert second.returncode == 1 and "being served" in second.stderr and "Traceback" not in second.stderr


def test_a_missing_server_is_named_with_its_mend(world: Path) -> None:
    code = "import sys; sys.modules['waitress'] = None; from local.listen import server; server.run_main(server.main)"
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    run = subprocess.run([sys.executable, "-c", code], cwd=world, env=environment, capture_output=True, text=True)
    assert run.returncode == 1 and "utils/install.sh --extra listen" in run.stderr and "Traceback" not in run.stderr
