// The chat over Socket.IO, on socket.io: several nodes, through Redis.

import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';

// joinNodes connects to the other nodes, and resolves to { adapter, leave }:
// what Socket.IO needs of them, and the function that leaves them.
export async function joinNodes(cfg) {
  if (cfg.recoveryNs > 0) throw new Error('redis: nodes share no recovery');
  const pub = connect(cfg.redis);
  const sub = pub.duplicate();
  await Promise.all([pub, sub].map(open));
  const adapter = createAdapter(quiet(pub), quiet(sub));
  return { adapter, leave: () => Promise.all([pub, sub].map(close)) };
}

// connect makes a client that comes back by itself once it was connected, and
// gives up before.
function connect(addr) {
  let up = false;
  const reconnectStrategy = (tries, cause) =>
    up ? Math.min(50 * 2 ** tries, 2000) : cause;
  const client = createClient({
    url: `redis://${addr}`,
    socket: { reconnectStrategy },
  });
  client.on('ready', () => {
    up = true;
  });
  return client;
}

// open connects a client.
async function open(client) {
  client.on('error', () => {}); // it connects again
  await client.connect();
}

// close ends a client, with what it has to say where it can.
async function close(client) {
  if (client.isReady) await client.close();
  else client.destroy();
}

// What follows makes up for what the adapter does not do.

// quiet has a client lose what its connection takes along. The adapter looks
// at no answer, and one that is an error would end the process: Redis cannot
// be restarted without that.
function quiet(client) {
  for (const name of ['publish', 'pUnsubscribe', 'unsubscribe']) {
    const call = client[name].bind(client);
    client[name] = (...args) => call(...args).catch(() => {});
  }
  return client;
}
