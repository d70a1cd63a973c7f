"""The one writer: every command, whatever API it came through, goes to the log here."""

from __future__ import annotations

from events.batcher import Batcher
from events.errors import AppendTimeout, InvalidEvent, LogBusy, LogUnavailable
from events.store import Log
from projections.flow_versions import FlowVersions
from service.errors import BadRequest, Overloaded, Unavailable, database_unavailable
from service.flows.catalogue import Catalogue
from service.hold import Hold
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    Command,
    Outcome,
    RecordCorrection,
    RetryRun,
    StartRun,
    TimeOutRun,
    UnlistRun,
)
from service.runs.write.admission import AdmissionControl
from service.runs.write.correction_handler import CorrectionHandler
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import NumbersExhausted
from service.runs.write.run_cache import RunCache
from service.runs.write.run_mailbox import RunMailboxes
from service.runs.write.start_handler import CheckPayload, StartHandler

_BYPASSES_ADMISSION = (CancelRun, ClaimRun, TimeOutRun, UnlistRun)
_NOT_ON_HOLD = (StartRun, RetryRun, ClaimRun, TimeOutRun, UnlistRun)
"""What a ledger on hold does not do. A cancel is taken, so that what is not to run can be taken out
before it is resumed; and so are reports of what runs already."""


class Writer:
    """Decides commands and appends their events.

    A start is decided in its caller's task and waits for the batcher alone. Commands for a run that
    exists go through the run's mailbox, in the order in which they came.
    """

    def __init__(
        self,
        batcher: Batcher,
        log: Log,
        catalogue: Catalogue,
        *,
        flows: FlowVersions,
        numbers: RunNumbers,
        check_payload: CheckPayload,
        hold: Hold,
    ) -> None:
        self._hold = hold
        run_cache = RunCache(log, flows)
        self._admission = AdmissionControl()
        self._mailboxes = RunMailboxes(batcher, run_cache, numbers)
        self._corrections = CorrectionHandler(log, batcher, run_cache)
        self._starts = StartHandler(
            batcher,
            log,
            catalogue,
            run_cache=run_cache,
            numbers=numbers,
            check_payload=check_payload,
        )

    async def submit(self, command: Command, *, internal: bool = False) -> Outcome:
        """Execute a command; return once its events are in the log.

        ``internal`` is for the ledger's own executors and background tasks. Like cancels, their
        commands bypass admission control. A caller that is cancelled while its command waits for
        admission withdraws it; after that the command is executed, once.

        Raises:
            ServiceError: the command is refused, see `StartHandler.start`, `RunMailboxes.submit`
                and `CorrectionHandler.record`.
            LedgerOnHold: the ledger is on hold and does not do this.
            Overloaded: too many external commands wait.
            Unavailable: the log does not answer; the events may or may not be written.
            BadRequest: the log cannot store the command's values.
        """
        if isinstance(command, _NOT_ON_HOLD):
            self._hold.require_none()
        if internal or isinstance(command, _BYPASSES_ADMISSION):
            return await self._execute(command)
        await self._admission.acquire(command.tenant)
        try:
            return await self._execute(command)
        finally:
            self._admission.release(command.tenant)

    async def close(self) -> None:
        """Wait until all mailboxes are empty; submit nothing after this call."""
        await self._mailboxes.close()

    async def _execute(self, command: Command) -> Outcome:
        try:
            if isinstance(command, (StartRun, RetryRun)):
                return await self._starts.start(command)
            if isinstance(command, RecordCorrection):
                return await self._corrections.record(command)
            return await self._mailboxes.submit(command)
        except LogBusy as error:
            raise Overloaded from error
        except (LogUnavailable, AppendTimeout) as error:
            raise database_unavailable(error) from error
        except NumbersExhausted as error:
            raise Unavailable(str(error), retry_after_s=3600) from error
        except InvalidEvent as error:
            raise BadRequest(str(error)) from error
