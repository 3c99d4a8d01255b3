import { once } from 'node:events';

import { load } from './modules.mjs';

// defaults are scenarios.Defaults: the values of what a request leaves out. A test
// in Go holds both together.
export const defaults = {
  readLimit: 1_000_000,
  queue: 256,
  queueBytes: 4_000_000,
  pingIntervalNs: 25e9,
  pingTimeoutNs: 20e9,
  writeTimeoutNs: 10e9,
};

// startServer has a chat server listen at addr, "host:port".
export async function startServer({ program, addr, config = {} }) {
  const newServer = await load(program, 'newServer');
  const { http, shutdown } = await newServer({ ...defaults, ...config });
  http.listen({ ...parse(addr), backlog: 4096 }); // Go takes what Linux gives
  await once(http, 'listening');
  const { address, family, port } = http.address();
  const host = family === 'IPv6' ? `[${address}]` : address;
  return { told: { addr: `${host}:${port}` }, commands: {}, stop: shutdown };
}

// parse takes an address of Go apart: the host may be in brackets or empty.
function parse(addr) {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(addr) ?? [];
  if (!port) throw new Error(`addr is not host:port but ${addr}`);
  return { host, port: Number(port) };
}
