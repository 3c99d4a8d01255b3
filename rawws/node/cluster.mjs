// The chat over a plain WebSocket, on ws: several nodes, through Redis.

import { randomUUID } from 'node:crypto';

import { createClient } from 'redis';

// joinNodes connects to the other nodes. It calls deliver(type, data) for what
// they broadcast, and resolves to { publish, leave }.
export async function joinNodes(cfg, deliver) {
  if (cfg.recoveryNs > 0) throw new Error('redis: nodes share no recovery');
  const pub = connect(cfg.redis);
  const sub = pub.duplicate();
  await Promise.all([pub, sub].map(open));
  const name = randomUUID(); // of this node, which does not listen to itself
  await sub.subscribe(channel, (text) => {
    const { node, type, data } = JSON.parse(text);
    if (node !== name) deliver(type, data);
  });

  // Redis keeps nothing: a node that is cut off from it hears no others until
  // it is back. What it has to say itself the library keeps until then, but
  // for what was on its way.
  function publish(type, data) {
    const text = JSON.stringify({ node: name, type, data });
    pub.publish(channel, text).catch(() => {});
  }

  return { publish, leave: () => Promise.all([pub, sub].map(close)) };
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

// What follows is by hand because a plain WebSocket knows of one node only.

// channel is where the nodes of a chat meet.
const channel = 'chat';
