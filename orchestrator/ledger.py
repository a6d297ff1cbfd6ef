"""The ledger: what happened in a study, one checksummed JSON line per event, in numbered segments.

    ledger/000001.jsonl     {"crc":"8d2a90b1","seq":1,"t":0.0,"event":"study_started",...}
    ledger/manifest.json    the segments that are closed, with their sizes; rewritten atomically

It is the only source of truth of a study. Every event reaches the operating system at once; an end of
a trial is also forced to disk, anything else within a second. Reading forgives what a crash can do:
a torn last line is dropped, a damaged line in the middle is set aside, and both are told.
"""

import contextlib
import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
SEGMENT_BYTES = 8 * 2**20
SYNC_S = 1.0
FORCED = frozenset({"study_started", "trial_ended", "trial_exploited", "study_ended"})

Event = dict[str, Any]


@dataclass
class Reading:
    """What a ledger holds.

    Attributes:
        events: in order, each with its `seq` and `event`.
        problems: what was dropped, set aside or missing, one sentence each.
        damaged: the raw lines that were set aside.
    """

    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def read(folder: Path) -> Reading:
    """Reads a ledger's folder; writes nothing.

    Raises:
        ValueError: it was written by a newer a440.
    """
    reading = Reading()
    for segment in _segments(folder):
        for number, line, complete in _lines(segment):
            event = _decode(line)
            if event is not None:
                _add(event, reading, f"{segment.name}:{number}")
            elif not complete:
                reading.problems.append(f"{segment.name}:{number} was torn by a crash; its last event is dropped.")
            else:
                reading.damaged.append(line)
                reading.problems.append(f"{segment.name}:{number} is damaged; that event is set aside.")
    _compare_with_manifest(folder, reading)
    return reading


class Ledger:
    """A ledger that is open for writing; the caller holds the study's lease.

    Args:
        folder: the `ledger` folder; it is made where it is missing.
        clock: seconds since the study began, over all its drivers.
        next_seq: number of the next event.
        segment_bytes: after which a new segment is begun; None for as many as is usual.
        forced: called after an event that must not be lost.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float],
        next_seq: int = 1,
        segment_bytes: int | None = None,
        forced: Callable[[], None] = lambda: None,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._clock, self._seq = folder, clock, next_seq
        self._segment_bytes, self._tell_forced = segment_bytes or SEGMENT_BYTES, forced
        self._file = self._new_segment()
        self._dirty, self._closing = threading.Event(), threading.Event()
        self._forced = threading.Event()
        self.failure: OSError | None = None
        self._thread = threading.Thread(target=self._sync_often, name="ledger", daemon=True)
        self._thread.start()

    def append(self, event: str, **fields: Any) -> Event:
        """Writes one event and returns it, with its number and time.

        Raises:
            OSError: the disk refuses it.
        """
        if self.failure is not None:
            raise self.failure
        body: Event = {"seq": self._seq, "t": round(self._clock(), 3), "event": event, **fields}
        try:
            self._file.write(_encode(body))
            self._file.flush()
        except OSError as error:
            self.failure = error
            raise
        self._seq += 1
        self._dirty.set()
        if event in FORCED:
            self._forced.set()
            self._tell_forced()
        if self._file.tell() > self._segment_bytes:
            self._rotate()
        return body

    def quarantine(self, reading: Reading) -> None:
        """Keeps the damaged lines of a reading beside the segments."""
        path = self._folder / "quarantine.txt"
        kept = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.exists() else []
        news = [line for line in reading.damaged if line not in kept]
        if news:
            with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(line + "\n" for line in news)

    def close(self) -> None:
        """Forces everything to disk and closes the segment."""
        self._closing.set()
        self._forced.set()
        self._thread.join(timeout=10)
        if not self._file.closed:
            self._sync()
            with contextlib.suppress(OSError):  # a full disk was told when it was met
                self._file.close()
        if self.failure is None:
            _write_manifest(self._folder)

    def _rotate(self) -> None:
        old = self._file
        self._file = self._new_segment()
        os.fsync(old.fileno())
        old.close()
        _write_manifest(self._folder)

    def _new_segment(self) -> Any:
        numbers = [int(path.stem) for path in _segments(self._folder)]
        return (self._folder / f"{max(numbers, default=0) + 1:06d}.jsonl").open("xb")

    def _sync_often(self) -> None:
        """Forces ends of trials to disk at once and the rest every second, beside the driver's loop."""
        while not self._closing.is_set():
            self._forced.wait(timeout=SYNC_S)
            self._forced.clear()
            if self._dirty.is_set():
                self._dirty.clear()
                self._sync()

    def _sync(self) -> None:
        file = self._file
        try:
            os.fsync(file.fileno())
        except ValueError:
            self._dirty.set()  # the segment was rotated meanwhile; the next round takes the new one
        except OSError as error:
            self.failure = error


def _encode(body: Event) -> bytes:
    text = json.dumps(_finite(body), separators=(",", ":"), ensure_ascii=True)
    return f'{{"crc":"{zlib.crc32(text.encode()):08x}",{text[1:]}\n'.encode()


def _decode(line: str) -> Event | None:
    """The event of a line; None where the line is damaged."""
    if not line.startswith('{"crc":"') or line[16:18] != '",':
        return None
    text = "{" + line[18:]
    if f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}" != line[8:16]:
        return None
    event: Event = json.loads(text)
    return event


def _finite(value: Any) -> Any:
    """JSON has no NaN: non-finite metrics travel as the words nan, inf, -inf."""
    metrics = value.get("metrics")
    if metrics and any(v != v or v in (float("inf"), float("-inf")) for v in metrics.values()):
        return {**value, "metrics": {k: v if abs(v) < float("inf") else str(v) for k, v in metrics.items()}}
    return value


def _add(event: Event, reading: Reading, where: str) -> None:
    if event.get("format", FORMAT) > FORMAT:
        raise ValueError(
            f"this study was written in format {event['format']}, and this a440 reads up to {FORMAT}. "
            f"Run: pip install --upgrade a440"
        )
    expected = reading.events[-1]["seq"] + 1 if reading.events else 1
    if event["seq"] > expected:
        reading.problems.append(f"{where}: events {expected} to {event['seq'] - 1} are missing.")
    if event["seq"] < expected:
        reading.problems.append(f"{where}: event {event['seq']} was written twice; the first one counts.")
        return
    if isinstance(event.get("metrics"), dict):
        event["metrics"] = {k: float(v) for k, v in event["metrics"].items()}
    reading.events.append(event)


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if path.stem.isdigit())


def _lines(segment: Path) -> Iterator[tuple[int, str, bool]]:
    """Number, text and completeness of each line."""
    raw = segment.read_bytes()
    for number, line in enumerate(raw.splitlines(keepends=True), start=1):
        if line.strip():
            yield number, line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"), line.endswith(b"\n")


def _write_manifest(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in _segments(folder)}
    draft = folder / f".manifest-{os.getpid()}-{time.monotonic_ns()}"
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "segments": sizes}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / "manifest.json")


def _compare_with_manifest(folder: Path, reading: Reading) -> None:
    """Tells of closed segments that are gone or shorter; the manifest itself is derived and may be missing."""
    try:
        segments = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["segments"]
        known = {str(name): int(size) for name, size in segments.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name, size in known.items():
        path = folder / name
        if not path.exists():
            reading.problems.append(f"the segment {name} is gone; its events are missing.")
        elif path.stat().st_size < size:
            reading.problems.append(f"the segment {name} was cut from {size} to {path.stat().st_size} bytes.")
