"""Ray Jobs: a driver that the cluster keeps alive, whatever becomes of the terminal it was sent from.

A job is sent to the head's HTTP port with a copy of a folder, runs there, and is followed by its log. The connection
may break at any time: the log is read on from where it was.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from cluster.process import quiet
from cluster.to_ray import REFUSAL, RefusedError, first_line, with_token

STOP_S = 120  # that a driver is given for its checkpoints; Ray's own 3 s would cut them off
PATIENCE_S = 60.0  # for which a server that does not answer is asked again
RETRY_S = 2.0
_PAST, _MADE = (".git", "runs"), (".venv", "venv", "__pycache__")
_SECRET = (".env", ".env.*", "*.pem", "*.key", "id_rsa*", "id_ed25519*")
EXCLUDED = (*_PAST, *_MADE, *_SECRET)
"""What never travels. What .gitignore names stays too (Ray's rule)."""

_NEEDS = (
    "Ray's jobs need more than ray[tune]: {error}. "
    "Install it on this machine and on the cluster: pip install 'a440[cluster]'"
)


@dataclass(frozen=True, slots=True)
class Job:
    """What the cluster knows of a job.

    Attributes:
        name: by which it is watched and stopped.
        status: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.
        said: of its end, by Ray.
    """

    name: str
    status: str
    said: str = ""
    command: str = ""
    began_at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it will do nothing more."""
        over: bool = JobStatus(self.status).is_terminal()
        return over

    @property
    def exit_code(self) -> int:
        """What a program that has followed it exits with: 130 for a job that was stopped, as after Ctrl-C."""
        return {"SUCCEEDED": 0, "STOPPED": 130}.get(self.status, 1)


def show(text: str) -> None:
    """Passes a piece of a log on to this terminal at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


class Jobs:
    """The jobs server of one cluster.

    Args:
        address: such as `http://127.0.0.1:8265`.

    Raises:
        RefusedError: it wants a token that we do not show.
        ConnectionError: nobody answers there, or it is no server of Ray's.
    """

    def __init__(self, address: str):
        self.address = address
        with self._told():
            self._client = JobSubmissionClient(address)

    def submit(
        self,
        command: str,
        name: str,
        folder: Path | None,
        *,
        variables: Mapping[str, str] | None = None,
        packages: Sequence[str] = (),
        excluded: Sequence[str] = (),
    ) -> str:
        """Sends a copy of a folder, unless it is None, and has a command run in it; gives the job's name.

        Raises:
            ValueError: there is such a job already, or the folder cannot travel.
        """
        environment: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S), **(variables or {})}}
        if folder is not None:
            environment |= {"working_dir": str(folder), "excludes": [*EXCLUDED, *excluded]}
        if packages:
            environment["pip"] = list(packages)
        with self._told(name):
            return str(self._client.submit_job(entrypoint=command, submission_id=name, runtime_env=environment))

    def look(self, name: str) -> Job:
        """How a job stands; raises LookupError where there is none of that name."""
        with self._told(name):
            return _job(self._client.get_job_info(name))

    def list(self) -> list[Job]:
        """All jobs of the cluster, the newest first."""
        with self._told():
            found = [_job(details) for details in self._client.list_jobs()]
        return sorted(found, key=lambda job: -job.began_at)

    def stop(self, name: str) -> bool:
        """Asks a job to end, which has two minutes to save its work; False where it was over already."""
        with self._told(name):
            asked: bool = self._client.stop_job(name)
            return asked

    def follow(self, name: str, say: Callable[[str], None] = show, *, tail: int | None = None) -> Job:
        """Passes a job's log on as it grows, over broken connections, until the job is over.

        Args:
            name: of the job.
            say: is told each new piece of text.
            tail: of what was written before now, only so many last lines; None for all.

        Raises:
            ConnectionError: the server has not answered for a minute.
        """
        told = 0
        if tail is not None:
            text = self._log(name)
            told = len(text) - len("".join(text.splitlines(keepends=True)[-tail:]))
        lost_at: float | None = None
        while True:
            try:
                job = self.look(name)
                told += _passed_on(self._log(name)[told:], say)
                if job.over:
                    return job
                if job.status == JobStatus.RUNNING.value:
                    with quiet(JobSubmissionClient.__module__):  # it tells when a line closes
                        told = asyncio.run(self._follow(name, say, told))
                lost_at = None
            except BrokenPipeError:  # whoever reads us has seen enough
                raise
            except ConnectionError as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > PATIENCE_S:
                    raise ConnectionError(
                        f"the cluster has not answered for {PATIENCE_S:.0f} s; the job {name} may well go on there. "
                        f"Look again: a440 watch {name} --address {self.address}"
                    ) from error
            time.sleep(RETRY_S if lost_at else 0.3)

    def _log(self, name: str) -> str:
        with self._told(name):
            return str(self._client.get_job_logs(name))

    async def _follow(self, name: str, say: Callable[[str], None], told: int) -> int:
        """Passes on what comes after so many characters until the connection ends; how many there were then."""
        import aiohttp

        seen, pieces = 0, self._client.tail_job_logs(name)
        while True:
            try:
                piece = await anext(pieces, None)
            except (RuntimeError, OSError, aiohttp.ClientError):  # broken: whoever looks next tells if that lasts
                return told
            if piece is None:
                return told
            new = piece[max(0, told - seen) :]
            seen += len(piece)
            if new:
                say(new)
                told = seen

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """Ray's errors in our words."""
        import requests

        with with_token(), quiet("ray.dashboard.modules.dashboard_sdk"), quiet(JobSubmissionClient.__module__):
            try:
                yield
            except ray.exceptions.AuthenticationError as error:
                raise RefusedError(REFUSAL.format(address=self.address)) from error
            except (requests.exceptions.RequestException, ConnectionError) as error:
                raise ConnectionError(
                    f"no jobs server answers at {self.address}: {first_line(error)}. Start the head with "
                    f"--include-dashboard=true, or reach it with: a440 submit study.yaml -c cluster.yaml"
                ) from error
            except ModuleNotFoundError as error:
                raise ConnectionError(_NEEDS.format(error=error)) from error
            except RuntimeError as error:
                raise _meant(error, name, self.address) from error


def _meant(error: RuntimeError, name: str, address: str) -> Exception:
    """What one of Ray's RuntimeErrors says about a job."""
    text = str(error)
    if "already exists" in text:
        return ValueError(
            f"there is a job {name} already. Watch it with: a440 watch {name}, or give another name: --name {name}-2"
        )
    if "404" in text and name:
        return LookupError(f"the cluster at {address} has no job {name}. List those that it has: a440 jobs")
    if "aiohttp" in text or "ray[default]" in text:
        return ConnectionError(_NEEDS.format(error=first_line(error)))
    return ConnectionError(f"the jobs server at {address} refused: {first_line(error)}. Look at the head: ray status")


def _passed_on(text: str, say: Callable[[str], None]) -> int:
    if text:
        say(text)
    return len(text)


def _job(details: JobDetails) -> Job:
    return Job(
        details.submission_id or details.job_id or "",
        str(details.status.value),
        details.message or "",
        details.entrypoint or "",
        (details.start_time or 0) / 1000,
    )
