"""A job's log is read on over broken connections, with no letter lost or told twice."""

from types import SimpleNamespace

import pytest

from cluster import jobs
from cluster.jobs import Jobs, _meant


class FakeServer:
    """A jobs server whose log grows by a line each time that it is asked, and whose connections break."""

    def __init__(self, lines, breaks):
        self.lines, self.breaks = [f"line {i}\n" for i in range(lines)], list(breaks)
        self.shown = 3
        self.deaf = 0

    def get_job_info(self, name):
        if self.deaf:
            self.deaf -= 1
            raise ConnectionError("no route")
        status = "SUCCEEDED" if self.shown >= len(self.lines) else "RUNNING"
        return SimpleNamespace(
            submission_id=name,
            job_id=None,
            status=jobs.JobStatus(status),
            message="done",
            entrypoint="x",
            start_time=1,
        )

    def get_job_logs(self, name):
        return "".join(self.lines[: self.shown])

    async def tail_job_logs(self, name):
        text = self.get_job_logs(name)
        yield text[:7]  # a piece that ends within a line
        yield text[7:]
        self.shown += 2
        yield self.get_job_logs(name)[len(text) :]  # what is written while it is followed
        if self.breaks and self.shown >= self.breaks[0]:
            self.breaks.pop(0)
            self.deaf = 2
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")


def following(server):
    found = object.__new__(Jobs)
    found.address, found._client = "http://127.0.0.1:8265", server
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)


def test_a_log_is_followed_to_its_end_over_broken_connections():
    server, told = FakeServer(20, breaks=[5, 11]), []

    job = following(server).follow("x", told.append)

    assert "".join(told) == "".join(server.lines)
    assert (job.status, job.over) == ("SUCCEEDED", True)
    assert server.breaks == []


def test_a_log_that_is_watched_again_begins_with_its_last_lines():
    server, told = FakeServer(9, breaks=[]), []

    following(server).follow("x", told.append, tail=2)

    assert "".join(told) == "".join(server.lines[1:])


def test_a_server_that_stays_away_is_told_with_how_to_come_back(monkeypatch):
    server = FakeServer(20, breaks=[])
    server.deaf = 10**6
    now = iter(range(0, 10**6, 10))
    monkeypatch.setattr(jobs.time, "monotonic", lambda: next(now))

    with pytest.raises(ConnectionError, match=r"not answered for 60 s; the job x .* a440 watch x --address http"):
        following(server).follow("x", print)


def test_a_reader_that_has_seen_enough_is_not_taken_for_a_broken_line():
    def closed(text):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        following(FakeServer(20, breaks=[])).follow("x", closed)


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("STOPPED", 130), ("FAILED", 1)])
def test_a_program_that_followed_a_job_ends_as_it_did(status, code):
    assert jobs.Job("x", status).exit_code == code


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Request failed with status code 500: Job with submission_id x already exists", ValueError, "--name x-2"),
        ("Request failed with status code 404: no", LookupError, "has no job x"),
        ("Request failed with status code 500: No available agent", ConnectionError, "refused: Request failed"),
    ],
)
def test_what_the_server_refuses_is_said_with_its_mend(text, kind, said):
    error = _meant(RuntimeError(text), "x", "http://h:1")

    assert type(error) is kind
    assert said in str(error)
