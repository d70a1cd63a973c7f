// The package @event-driven-io/emmett-postgresql: its store, its consumer, its rebuild.
// Node finds the packages beside this file: it is copied to where they are installed.
import { getPostgreSQLEventStore, pongoSingleStreamProjection, postgreSQLEventStoreConsumer,
  rebuildPostgreSQLProjections } from '@event-driven-io/emmett-postgresql';
import { randomUUID } from 'node:crypto';
import pg from 'pg';

const TEXT = 'x'.repeat(190);
const PER_STREAM = 5;
const PATIENCE_S = 3;
const [url, what, number, seconds] = process.argv.slice(2);
const now = () => performance.now() / 1000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const counted = (id) => ({ type: 'Counted', data: { id, text: TEXT } });
const some = (count, work) => Promise.all(Array.from({ length: count }, work));

const pool = new pg.Pool({ connectionString: url, max: 20 });
const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
await store.schema.migrate();

async function append(callers, seconds) {
  const latencies = [];
  const began = now();
  await some(callers, async () => {
    for (let sent = now(); sent < began + seconds; sent = now()) {
      await store.appendToStream(`counter:${randomUUID()}`, [counted(randomUUID())]);
      latencies.push(now() - sent);
    }
  });
  return { elapsed_s: now() - began, latencies };
}

async function tail(writers, seconds) {
  const written = new Map();
  const seen = new Map();
  const consumer = postgreSQLEventStoreConsumer({ connectionString: url,
    pulling: { pullingFrequencyInMs: 10 } });
  let last = 0;
  consumer.reactor({ processorId: `tail-${randomUUID()}`,
    eachMessage: ({ data }) => {
      last = now();
      if (!seen.has(data.id)) seen.set(data.id, last);
    } });
  consumer.start();
  const until = now() + seconds;
  await some(writers, async () => {
    for (let began = now(); began < until; began = now()) {
      const ids = [randomUUID(), randomUUID(), randomUUID()];
      await store.appendToStream(`counter:${randomUUID()}`, ids.map(counted));
      ids.forEach((id) => written.set(id, began));
    }
  });
  const missing = () => [...written.keys()].filter((id) => !seen.has(id)).length;
  const done = now();
  while (missing() && now() < Math.max(done, last) + PATIENCE_S) await pause(50);
  const got = [...written].filter(([id]) => seen.has(id));
  return { per_s: written.size / seconds, written: written.size, lost: missing(),
    latencies: got.map(([id, began]) => seen.get(id) - began) };
}

async function rebuild(events) {
  const rows = Math.floor(events / PER_STREAM);
  const streams = Array.from({ length: rows }, () => `counter:${randomUUID()}`);
  const waiting = streams.values();
  await some(16, async () => {
    for (const stream of waiting) {
      await store.appendToStream(stream, Array.from({ length: PER_STREAM }, () => counted(stream)));
    }
  });
  const projection = pongoSingleStreamProjection({ collectionName: 'counters',
    canHandle: ['Counted'], initialState: () => ({ count: 0 }),
    evolve: (document) => ({ ...document, count: document.count + 1 }) });
  const began = now();
  await rebuildPostgreSQLProjections({ connectionString: url, projection }).start();
  const took = now() - began;
  const found = await pool.query('select count(*)::int as good from counters'
    + " where (data->>'count')::int = $1", [PER_STREAM]);
  return { events, elapsed_s: took, rows, wrong: rows - found.rows[0].good };
}

const found = await { append, tail, rebuild }[what](Number(number), Number(seconds));
process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));
