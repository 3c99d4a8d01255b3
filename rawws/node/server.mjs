// The chat over a plain WebSocket, on ws: the server.

import { createServer } from 'node:http';

import { WebSocket, WebSocketServer } from 'ws';

import { behind, forwarded } from './proxy.mjs';

const defaults = {
  readLimit: 1_000_000, // bytes
  queueBytes: 4_000_000,
  pingIntervalNs: 25e9,
  pingTimeoutNs: 20e9,
};

// closeGrace is how long a client may take to answer a close frame, in ms.
const closeGrace = 1000;

// newServer resolves to { http, shutdown }: a server with the chat mounted that
// does not listen yet, and the function that disconnects everybody and
// resolves when all is closed. A connection has no session id, so there is
// nothing to put the name of the node in front of.
export async function newServer(config) {
  const cfg = behind({ ...defaults, ...config });
  const http = createServer((req, res) => res.writeHead(426).end());
  const wss = new WebSocketServer({
    noServer: true,
    path: '/ws',
    maxPayload: cfg.readLimit,
    closeTimeout: closeGrace,
    perMessageDeflate: false, // equal work on both sides: neither compresses
  });
  const chat = { cfg, clients: wss.clients, rooms: new Map() };
  if (cfg.redis) chat.nodes = await joinOthers(chat);

  http.on('upgrade', (req, socket, head) => {
    if (!allowed(req, cfg)) return refuse(socket);
    // The first messages may have come with the request: the client is
    // served before anything else runs.
    wss.handleUpgrade(req, socket, head, (ws) => serve(ws, chat));
  });

  async function shutdown() {
    const closed = new Promise((resolve) => http.close(resolve));
    wss.close(); // whoever comes on an open connection is told 503
    for (const ws of wss.clients) ws.close(1001, 'server is shutting down');
    http.closeAllConnections(); // those that never asked for anything
    await closed;
    await chat.nodes?.leave();
  }
  return { http, shutdown };
}

// joinOthers joins the chat with that of the other nodes.
async function joinOthers(chat) {
  const { joinNodes } = await import('./cluster.mjs');
  const { cfg, clients, rooms } = chat;
  return joinNodes(cfg, (type, m) =>
    deliver(cfg, m.room === '' ? clients : rooms.get(m.room) ?? [], type, m),
  );
}

// serve handles what one client sends until it is gone.
function serve(ws, chat) {
  const joined = new Set(); // the names of the rooms that it is in

  function join(m) {
    if (m.room === '') return 'room name is empty';
    enter(chat.rooms, m.room, ws);
    joined.add(m.room);
    if (m.body !== '') {
      broadcast(chat, chat.rooms.get(m.room), 'joined', m, ws);
    }
  }

  function leave(m) {
    if (m.room === '') return 'room name is empty';
    exit(chat.rooms, m.room, ws);
    joined.delete(m.room);
  }

  function ack(id, error) {
    ws.send(JSON.stringify({ type: 'ack', id, error }));
  }

  ws.on('message', (text) => {
    if (ws.readyState !== WebSocket.OPEN) return; // it has been told to go
    let frame, m;
    try {
      frame = JSON.parse(text);
      m = decode(frame.data);
    } catch {
      return ws.close(1007, 'not valid JSON');
    }
    switch (frame.type) {
      case 'join':
        return ack(frame.id, join(m));
      case 'leave':
        return ack(frame.id, leave(m));
      case 'chat':
        return broadcast(chat, chat.rooms.get(m.room) ?? [], 'chat', m);
      case 'announce':
        return broadcast(chat, chat.clients, 'announce', { ...m, room: '' });
      default:
        ws.close(1008, 'unknown type');
    }
  });
  ws.on('error', () => {}); // close follows and does what there is to do
  ws.on('close', () => {
    for (const room of joined) exit(chat.rooms, room, ws);
  });
  heartbeat(ws, chat.cfg);
}

// decode returns the message in what a client sent and nothing else of it. It
// throws if that is not a message.
function decode({ room = '', from = '', seq = 0, body = '' } = {}) {
  const texts = [room, from, body].every((s) => typeof s === 'string');
  if (!texts || !Number.isSafeInteger(seq)) throw new TypeError('no message');
  return { room, from, seq, body };
}

// allowed reports whether a request may connect: it does not come from a
// browser, or from a page of this host or of one that is let in.
function allowed(req, cfg) {
  const { origin } = req.headers;
  const { host } = forwarded(cfg, req);
  const origins = cfg.origins ?? [];
  const own = [`http://${host}`, `https://${host}`];
  return !origin || own.includes(origin) || origins.includes(origin);
}

// refuse answers a request to upgrade with 403.
function refuse(socket) {
  socket.on('error', () => {}); // the client may be gone
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
}

// What follows is by hand because a plain WebSocket has no rooms, no queue
// and no heartbeat.

// broadcast tells all clients but one, here and on the other nodes.
function broadcast({ cfg, nodes }, clients, type, data, except) {
  deliver(cfg, clients, type, data, except);
  nodes?.publish(type, data);
}

// deliver encodes a message once and sends it to all clients but one. A
// slow reader is disconnected: waiting for it would fill the memory, leaving
// messages out would hide the loss from it. ws counts the bytes that wait, not
// the messages; one message may be longer.
function deliver(cfg, clients, type, data, except) {
  const text = Buffer.from(JSON.stringify({ type, data }));
  for (const ws of clients) {
    if (ws === except || ws.readyState !== WebSocket.OPEN) continue;
    const waiting = ws.bufferedAmount;
    if (waiting > 0 && waiting + text.length > cfg.queueBytes) ws.terminate();
    else ws.send(text, { binary: false });
  }
}

// enter puts a client into a room.
function enter(rooms, name, ws) {
  if (!rooms.has(name)) rooms.set(name, new Set());
  rooms.get(name).add(ws);
}

// exit takes a client out of a room.
function exit(rooms, name, ws) {
  rooms.get(name)?.delete(ws);
  if (rooms.get(name)?.size === 0) rooms.delete(name);
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
