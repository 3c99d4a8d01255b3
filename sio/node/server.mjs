// The chat over Socket.IO, on socket.io: the server.

import { createServer } from 'node:http';

import { Server } from 'socket.io';

import { behind, forwarded, sessionId } from './proxy.mjs';

const defaults = {
  node: '',
  readLimit: 1_000_000, // bytes
  pingIntervalNs: 25e9,
  pingTimeoutNs: 20e9,
  recoveryNs: 0,
};

// newServer resolves to { http, shutdown }: a server with the chat mounted that
// does not listen yet, and the function that disconnects everybody and
// resolves when all is closed.
export async function newServer(config) {
  const cfg = behind({ ...defaults, ...config });
  const http = createServer((req, res) => res.writeHead(404).end());
  http.on('upgrade', (req, socket) => {
    // Engine.IO, which comes next, would answer 400.
    if (!allowed(req, cfg)) refuse(socket);
  });
  const nodes = cfg.redis && (await joinOthers(cfg));
  const io = new Server(http, {
    adapter: nodes?.adapter,
    serveClient: false,
    allowRequest: (req, decide) => decide(null, allowed(req, cfg)),
    cors: cfg.origins && { origin: cfg.origins },
    maxHttpBufferSize: cfg.readLimit,
    pingInterval: cfg.pingIntervalNs / 1e6,
    pingTimeout: cfg.pingTimeoutNs / 1e6,
    connectionStateRecovery: cfg.recoveryNs > 0 && {
      maxDisconnectionDuration: cfg.recoveryNs / 1e6,
    },
    allowEIO3: cfg.protocol === 'engine.io3', // that of version 2
    perMessageDeflate: false, // equal work on both sides: neither compresses
    httpCompression: false,
  });
  io.engine.generateId = () => sessionId(cfg.node);
  io.on('connection', (socket) => serve(socket, io));

  async function shutdown() {
    const closed = io.close();
    // Once the polls are answered, those that never asked for anything.
    setImmediate(() => http.closeAllConnections());
    await closed;
    await nodes?.leave();
  }
  return { http, shutdown };
}

// joinOthers joins the chat with that of the other nodes.
async function joinOthers(cfg) {
  const { joinNodes } = await import('./cluster.mjs');
  return joinNodes(cfg);
}

// serve handles what one client sends until it is gone. Socket.IO keeps its
// rooms and its heartbeat. It has no bound for what waits for a slow reader:
// that grows until the ping timeout.
function serve(socket, io) {
  function join(m) {
    if (m.room === '') return 'room name is empty';
    socket.join(m.room);
    if (m.body !== '') socket.to(m.room).emit('joined', m);
  }

  function leave(m) {
    if (m.room === '') return 'room name is empty';
    socket.leave(m.room);
  }

  function chat(m) {
    if (m.room !== '') io.to(m.room).emit('chat', m);
  }

  function announce(m) {
    io.emit('announce', { ...m, room: '' });
  }

  // An exception would end the process: nothing that comes is trusted.
  function on(event, handle) {
    socket.on(event, (data, ack) => {
      let m;
      try {
        m = decode(data);
      } catch {
        return socket.disconnect(true);
      }
      const error = handle(m);
      if (typeof ack === 'function') ack(error ?? '');
    });
  }
  on('join', join);
  on('leave', leave);
  on('chat', chat);
  on('announce', announce);
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
