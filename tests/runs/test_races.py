"""Concurrent writers on one database, cancelled callers, and databases that go down."""

import asyncio

import asyncpg
import pytest

from service.errors import Unavailable
from service.ops.migrations import migrate_all
from service.runs.domain.commands import Outcome, ReportedEvent, ReportEvents, StartRun
from service.runs.domain.errors import ClaimLost, RunEnded
from tests.runs.processes import (
    FLOWS,
    ORIGIN,
    cancel,
    claim,
    open_process,
    register,
    report_events,
    starts,
    together,
)
from tests.runs.story import TENANT

# Races


async def test_one_of_racing_claims_wins(processes):
    both = await processes(2)
    run = (await both[0].start()).run_id
    claims = [p.writer.submit(claim(run, f"w{n}")) for n, p in enumerate(both * 4)]
    outcomes = await together(*claims)
    assert sum(isinstance(outcome, Outcome) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ClaimLost) for outcome in outcomes) == 7
    assert (await both[0].event_types(run)).count("RunClaimed") == 1


async def test_racing_report_and_cancel_end_the_run_once(processes):
    both = await processes(2)
    for _ in range(5):
        run = (await both[0].start("example.ONE")).run_id
        report, cancelled = await together(
            both[0].writer.submit(report_events(run, ("RunSucceeded", None))),
            both[1].writer.submit(cancel(run, force=True)),
        )
        told = await both[0].event_types(run)
        if report.results[0].outcome == "recorded":
            assert isinstance(cancelled, RunEnded)
            assert told[-2:] == ["RunSucceeded", "ReportRefused"]
        else:
            assert isinstance(cancelled, Outcome)
            assert told[-2:] == ["RunCancelled", "ReportRefused"]


async def test_report_sent_to_two_processes_at_once_is_recorded_once(processes):
    both = await processes(2)
    for _ in range(5):
        run = (await both[0].start("example.EXTERNAL")).run_id
        report = report_events(run, ("TaskStarted", "A"))
        outcomes = await together(*(p.writer.submit(report) for p in both * 3))
        results = [outcome.results[0] for outcome in outcomes]
        assert sorted(result.outcome for result in results) == ["duplicate"] * 5 + ["recorded"]
        assert len({result.position for result in results}) == 1
        assert (await both[0].event_types(run)).count("TaskStarted") == 1


async def test_report_sent_to_two_processes_is_recorded_once_if_it_is_the_whole_append(processes):
    both = await processes(2)
    run = (await both[0].start("example.EXTERNAL")).run_id
    for process in both:
        await process.writer.submit(report_events(run, ("RunStarted", None)))
    for n in range(5):
        event = ReportedEvent(str(n), "TaskOutputRecorded", "A", {"log": str(n)})
        report = ReportEvents(TENANT, ORIGIN, run, (event,))
        outcomes = await together(*(process.writer.submit(report) for process in both))
        results = [outcome.results[0] for outcome in outcomes]
        assert {result.outcome for result in results} == {"recorded", "duplicate"}
        assert len({result.position for result in results}) == 1


async def test_two_concurrent_events_under_one_id_record_one_and_refuse_the_other(processes):
    both = await processes(2)
    for _ in range(5):
        run = (await both[0].start("example.EXTERNAL")).run_id
        await both[0].writer.submit(report_events(run, ("RunStarted", None)))
        await both[1].writer.submit(report_events(run, ("RunStarted", None)))
        outcomes = await together(
            *(
                p.writer.submit(
                    ReportEvents(TENANT, ORIGIN, run, (ReportedEvent("x", "TaskStarted", task),))
                )
                for p, task in zip(both, ("A", "B"), strict=True)
            )
        )
        assert {outcome.results[0].outcome for outcome in outcomes} == {"recorded", "refused"}
        assert (await both[0].event_types(run)).count("TaskStarted") == 1


async def test_concurrent_writers_on_one_run_lose_no_report(processes):
    both = await processes(2)
    run = (await both[0].start("example.EXTERNAL")).run_id
    reports = [
        ReportEvents(
            TENANT,
            ORIGIN,
            run,
            (ReportedEvent(f"{n}", "TaskOutputRecorded", "A", {"log": f"{n}"}),),
        )
        for n in range(40)
    ]
    outcomes = await together(
        *(both[n % 2].writer.submit(report) for n, report in enumerate(reports))
    )
    recorded = {outcome.results[0].position for outcome in outcomes}
    stream = await both[0].stream(run)
    assert recorded == {e.position for e in stream if e.type == "TaskOutputRecorded"}
    assert len(recorded) == 40


# Callers that go away, databases that go away


async def test_command_of_a_cancelled_caller_is_executed_once(process):
    run = (await process.start("example.EXTERNAL")).run_id
    waiting = asyncio.create_task(process.writer.submit(report_events(run, ("TaskStarted", "A"))))
    other = asyncio.create_task(process.writer.submit(report_events(run, ("TaskSucceeded", "A"))))
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await other).results[0].outcome == "recorded"
    assert (await process.event_types(run))[1:] == ["RunStarted", "TaskStarted", "TaskSucceeded"]


async def taken(process):
    """Wait until the batcher has something to write."""
    while not process.batcher._pending:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


async def test_start_of_a_cancelled_caller_is_executed_at_most_once(process):
    waiting = asyncio.create_task(process.start(idempotency_key="k"))
    await taken(process)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await process.start(idempotency_key="k")
    assert len(await starts(process)) == 1


async def test_killed_connections_lose_or_repeat_no_report(
    processes, database_url, postgres_server
):
    [process] = await processes(1)
    run = (await process.start("example.EXTERNAL")).run_id

    async def report(n):
        event = ReportedEvent(f"{n}", "TaskOutputRecorded", "A", {"log": f"{n}"})
        outcome = await process.writer.submit(ReportEvents(TENANT, ORIGIN, run, (event,)))
        return outcome.results[0].position

    async def kill():
        for _ in range(5):
            await kill_backends(postgres_server, database_url)

    positions, _ = await asyncio.gather(asyncio.gather(*(report(n) for n in range(200))), kill())
    # Plain reads are not repeated, and this pool may still hold a connection that was cut.
    [reader] = await processes(1)
    stream = await reader.stream(run)
    outputs = [event for event in stream if event.type == "TaskOutputRecorded"]
    assert sorted(positions) == [event.position for event in outputs]
    assert len({event.data["log"] for event in outputs}) == 200


async def kill_backends(server, url):
    connection = await asyncpg.connect(server)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
        url.rpartition("/")[2].partition("?")[0],
    )
    await connection.close()


async def test_commands_raise_unavailable_while_the_database_is_down(own_cluster):
    await migrate_all(own_cluster.url)
    async with open_process(own_cluster.url) as process:
        await register(process.log, *FLOWS)
        run = (await process.start("example.EXTERNAL")).run_id
        own_cluster.kill()
        for command in (cancel(run), StartRun(TENANT, ORIGIN, "example.CHAIN")):
            with pytest.raises(Unavailable) as refused:
                await process.writer.submit(command)
            assert refused.value.retry_after_s > 0
        own_cluster.start()
        assert (await process.writer.submit(cancel(run))).status == "cancelling"
