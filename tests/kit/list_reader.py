"""A client that reads a list every 10 ms and compares each answer with the one before."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

EVERY_S = 0.01


@dataclass
class Reader:
    """Reads the newest 20 runs; a refusal, a shorter list or an older position is a fault."""

    url: str
    bearer: dict[str, str]
    answers: int = 0
    faults: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    async def run(self) -> None:
        position, rows = 0, 0
        async with aiohttp.ClientSession(headers=self.bearer) as session:
            while True:
                began = time.perf_counter()
                async with session.get(f"{self.url}/v1/runs?limit=20") as response:
                    body = await response.json()
                    if response.status != 200:
                        self.faults.append(f"{response.status} {body}")
                        continue
                    stands = int(response.headers["Flowledger-Position"])
                self.longest_s = max(self.longest_s, time.perf_counter() - began)
                if stands < position or len(body["runs"]) < rows:
                    self.faults.append(f"{position}, {rows} -> {stands}, {len(body['runs'])}")
                position, rows = stands, len(body["runs"])
                self.answers += 1
                await asyncio.sleep(EVERY_S)
