"""The one writer: every front door's commands come in here and go to the log."""

from __future__ import annotations

from events.errors import (
    AppendTimeout,
    InvalidEvent,
    LogBusy,
    LogUnavailable,
)
from events.store import Log
from projections.flow_versions import Flows
from service.errors import BadRequest, Overloaded, Unavailable
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
from service.runs.write.admission import Lanes
from service.runs.write.corrections import Corrector
from service.runs.write.number_sequence import NumbersExhausted
from service.runs.write.numbers import Numbers
from service.runs.write.run_cache import States
from service.runs.write.run_mailbox import Batcher, Chains
from service.runs.write.start_handler import Catalogue, CheckPayload, Starter

_INSIDE = (CancelRun, ClaimRun, TimeOutRun, UnlistRun)


class Writer:
    """Decides commands and appends what they come to; whatever waits goes to the log together.

    A start is decided in its caller's task and waits for the batcher alone. Commands for a run that
    exists go through the run's chain, in the order in which they came.
    """

    def __init__(
        self,
        batcher: Batcher,
        log: Log,
        catalogue: Catalogue,
        *,
        flows: Flows,
        numbers: Numbers,
        check_payload: CheckPayload,
    ) -> None:
        states = States(log, flows)
        self._lanes = Lanes()
        self._chains = Chains(batcher, states, numbers)
        self._corrector = Corrector(batcher, states)
        self._starter = Starter(
            batcher,
            log,
            catalogue,
            states=states,
            numbers=numbers,
            check_payload=check_payload,
        )

    async def submit(self, command: Command, *, inside: bool = False) -> Outcome:
        """Carry out a command, and answer when what it wrote is in the log.

        ``inside`` is for the ledger's own executors and sweeps: what they report is never turned
        away, nor are cancels. A caller that goes away while its command waits for its turn takes it
        back; after that it is carried out, once.

        Raises:
            ServiceError: the command is refused, see `Starter.start`, `Chains.submit` and
                `Corrector.record`.
            Overloaded: too many commands from outside wait.
            Unavailable: the log does not answer; whether it was written is not known.
            BadRequest: the log does not keep such values.
        """
        if inside or isinstance(command, _INSIDE):
            return await self._carry_out(command)
        await self._lanes.enter(command.tenant)
        try:
            return await self._carry_out(command)
        finally:
            self._lanes.leave(command.tenant)

    async def close(self) -> None:
        """Wait until what was taken is carried out; nothing may be submitted any more."""
        await self._chains.close()

    async def _carry_out(self, command: Command) -> Outcome:
        try:
            if isinstance(command, (StartRun, RetryRun)):
                return await self._starter.start(command)
            if isinstance(command, RecordCorrection):
                return await self._corrector.record(command)
            return await self._chains.submit(command)
        except LogBusy as error:
            raise Overloaded from error
        except (LogUnavailable, AppendTimeout) as error:
            raise Unavailable(str(error)) from error
        except NumbersExhausted as error:
            raise Unavailable(str(error), retry_after_s=3600) from error
        except InvalidEvent as error:
            raise BadRequest(str(error)) from error
