// The plain WebSocket without the chat, on ws: the server passes each text
// message on to all clients as it came. All else is as in rawws, and what is
// under the line that says so word for word.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

// It is the same ws, not another copy of it.
const rawws = new URL('../../../rawws/node/server.mjs', import.meta.url);
const { WebSocket, WebSocketServer } = createRequire(rawws)('ws');

const defaults = {
  readLimit: 1_000_000, // bytes
  queueBytes: 4_000_000,
  pingIntervalNs: 25e9,
  pingTimeoutNs: 20e9,
};

// closeGrace is how long a client may take to answer a close frame, in ms.
const closeGrace = 1000;

// newServer returns { http, shutdown }: a server that does not listen yet, and
// the function that disconnects everybody and resolves when all is closed.
export function newServer(config) {
  const cfg = { ...defaults, ...config };
  const http = createServer((req, res) => res.writeHead(426).end());
  const wss = new WebSocketServer({
    noServer: true,
    path: '/ws',
    maxPayload: cfg.readLimit,
    closeTimeout: closeGrace,
    perMessageDeflate: false, // equal work on both sides: neither compresses
  });

  http.on('upgrade', (req, socket, head) => {
    if (!allowed(req, cfg.origins)) return refuse(socket);
    // The first messages may have come with the request: the client is
    // served before anything else runs.
    wss.handleUpgrade(req, socket, head, (ws) => serve(ws, wss.clients, cfg));
  });

  async function shutdown() {
    const closed = new Promise((resolve) => http.close(resolve));
    wss.close(); // whoever comes on an open connection is told 503
    for (const ws of wss.clients) ws.close(1001, 'server is shutting down');
    http.closeAllConnections(); // those that never asked for anything
    await closed;
  }
  return { http, shutdown };
}

// serve passes on what one client sends until it is gone.
function serve(ws, clients, cfg) {
  ws.on('message', (text) => {
    if (ws.readyState !== WebSocket.OPEN) return; // it has been told to go
    const ack = answer(text);
    if (ack) return ws.send(ack);
    broadcast(clients, text, cfg);
  });
  ws.on('error', () => {}); // close follows and does what there is to do
  heartbeat(ws, cfg);
}

// broadcast sends a text to all clients, and disconnects a slow reader.
function broadcast(clients, text, cfg) {
  for (const ws of clients) {
    if (ws.readyState !== WebSocket.OPEN) continue;
    const waiting = ws.bufferedAmount;
    if (waiting > 0 && waiting + text.length > cfg.queueBytes) ws.terminate();
    else ws.send(text, { binary: false });
  }
}

const requests = ['join', 'leave'].map((type) =>
  Buffer.from(`{"type":"${type}","id":`),
);

// answer returns the answer to a request to join or to leave, which is all that
// is not passed on: the load generator waits for it. Like any client of the
// suite it writes such a request in one way.
function answer(text) {
  for (const start of requests) {
    if (start.compare(text, 0, Math.min(start.length, text.length)) === 0) {
      const id = parseInt(text.toString('latin1', start.length), 10);
      return Number.isSafeInteger(id) && `{"type":"ack","id":${id}}`;
    }
  }
}

// allowed reports whether a request may connect: it does not come from a
// browser, or from a page of this host or of one that is let in.
function allowed(req, origins = []) {
  const { origin, host } = req.headers;
  const own = [`http://${host}`, `https://${host}`];
  return !origin || own.includes(origin) || origins.includes(origin);
}

// What follows is rawws/node/server.mjs, word for word.

// refuse answers a request to upgrade with 403.
function refuse(socket) {
  socket.on('error', () => {}); // the client may be gone
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
}

// heartbeat pings a client and cuts it off when it does not answer in time.
function heartbeat(ws, { pingIntervalNs, pingTimeoutNs }) {
  const ping = () => {
    ws.ping();
    timer = setTimeout(() => ws.terminate(), pingTimeoutNs / 1e6);
  };
  let timer = setTimeout(ping, pingIntervalNs / 1e6);
  ws.on('pong', () => {
    clearTimeout(timer);
    timer = setTimeout(ping, pingIntervalNs / 1e6);
  });
  ws.on('close', () => clearTimeout(timer));
}
