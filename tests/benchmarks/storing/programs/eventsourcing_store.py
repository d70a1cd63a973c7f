"""The package `eventsourcing`, with the settings it has by default. Run by its own Python.

Its recorders are called from threads, which is what it offers. The append is that of its recorder
alone, without its aggregates; the tail its own subscription, which listens and reads.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[4]))

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.postgres import PostgresFactory, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import Environment
from psycopg.sql import SQL

from tests.benchmarks.storing.tail import Tail

TEXT = "x" * 190
PER_STREAM = 5


def environment(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": asked["host"][0],
        "POSTGRES_PORT": asked["port"][0],
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
        "POSTGRES_POOL_SIZE": "20",
        "POSTGRES_MAX_OVERFLOW": "0",
    }


def stored(events: int) -> list[StoredEvent]:
    stream = uuid4()
    state = json.dumps({"n": 1, "text": TEXT}).encode()
    return [StoredEvent(stream, number + 1, "bench:Counted", state) for number in range(events)]


def append(recorder: Any, callers: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def call() -> None:
        while (sent := time.perf_counter()) < until:
            recorder.insert_events(stored(1))
            latencies.append(time.perf_counter() - sent)

    began = time.perf_counter()
    _threads(call, callers)
    return {"elapsed_s": time.perf_counter() - began, "latencies": latencies}


def tail(recorder: Any, writers: int, seconds: float) -> dict[str, Any]:
    found = Tail()
    until = time.perf_counter() + seconds

    def write() -> None:
        while (began := time.perf_counter()) < until:
            wanted = stored(3)
            recorder.insert_events(wanted)
            for each in wanted:
                found.wrote(f"{each.originator_id}:{each.originator_version}", began)

    def follow() -> None:
        with subscription:
            for each in subscription:
                found.saw(f"{each.originator_id}:{each.originator_version}")

    subscription = recorder.subscribe(gt=0)
    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    _threads(write, writers)
    found.per_s = len(found.written) / seconds
    while found.waiting:
        time.sleep(0.05)
    subscription.stop()
    return found.told()


def _threads(work: Any, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(work) for _ in range(count)]:
            each.result()


class Counter(Aggregate):
    def __init__(self, text: str) -> None:
        self.count = 1

    @event("Counted")
    def add(self, text: str) -> None:
        self.count += 1


class Counters(Application):
    pass


class View(PostgresTrackingRecorder):
    def __init__(self, datastore: Any, *, tracking_table_name: str = "tracking", **more: Any):
        super().__init__(datastore, tracking_table_name=tracking_table_name, **more)
        self.sql_create_statements.append(
            SQL("create table if not exists counters (id uuid primary key, count int not null)")
        )

    def add(self, stream: Any, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "insert into counters values (%s, 1)"
                " on conflict (id) do update set count = counters.count + 1",
                (stream,),
            )


class Counting(Projection[View]):
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.add(domain_event.originator_id, tracking)


def rebuild(env: dict[str, str], events: int) -> dict[str, Any]:
    application = Counters(env)
    for _ in range(events // PER_STREAM):
        counter = Counter(TEXT)
        for _ in range(PER_STREAM - 1):
            counter.add(TEXT)
        application.save(counter)
    last = application.recorder.max_notification_id()
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=Counters, projection_class=Counting, view_class=View, env=env
    ) as runner:
        runner.wait(last, timeout=600)
        took = time.perf_counter() - began
        with runner.view.datastore.transaction() as cursor:
            cursor.execute("select count(*) as good from counters where count = %s", (PER_STREAM,))
            good = cursor.fetchone()["good"]
    rows = events // PER_STREAM
    return {"events": events, "elapsed_s": took, "rows": rows, "wrong": rows - good}


def main() -> None:
    url, what, number, seconds = sys.argv[1:]
    env = environment(url)
    if what == "rebuild":
        found = rebuild(env, int(number))
    else:
        recorder = PostgresFactory(Environment("bench", env)).application_recorder()
        found = {"append": append, "tail": tail}[what](recorder, int(number), float(seconds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
