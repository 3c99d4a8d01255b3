// socket.io with nothing around it but the handlers that answer the checks, as
// subject.go has them in Go.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

// It is the same socket.io as that of sio.
const sio = new URL('../../../sio/node/server.mjs', import.meta.url);
const { Server } = createRequire(sio)('socket.io');

// newServer returns { http, shutdown }: a server that does not listen yet, and
// the function that resolves when all is closed. Of the configuration it takes
// the timers.
export function newServer(config) {
  const http = createServer((req, res) => res.writeHead(404).end());
  const io = new Server(http, {
    serveClient: false,
    pingInterval: config.pingIntervalNs / 1e6,
    pingTimeout: config.pingTimeoutNs / 1e6,
    connectTimeout: (config.pingIntervalNs + config.pingTimeoutNs) / 1e6,
  });
  for (const name of ['/', '/custom']) {
    io.of(name).on('connection', answerChecks);
  }
  io.of('/forbidden').use((socket, next) => next(new Error('not authorized')));

  async function shutdown() {
    const closed = io.close();
    setImmediate(() => http.closeAllConnections());
    await closed;
  }
  return { http, shutdown };
}

// answerChecks has a client get answers to what the checks emit.
function answerChecks(socket) {
  socket.on('echo', (text) => socket.emit('echo', text));
  socket.on('twice', (text) => {
    socket.emit('echo', text);
    socket.emit('echo', text);
  });
  socket.on('several', (...args) => socket.emit('several', ...args));
  socket.on('ack', (text, ack) => ack(text));
  socket.on('silent', (text, ack) => ack());
  socket.on('ask', () => {
    socket.emit('question', (text) => socket.emit('answered', text));
  });
  socket.on('token', (ack) => ack(socket.handshake.auth.token));
  socket.on('binary', (data) => socket.emit('binary', data));
  socket.on('binary-two', (a, b) => socket.emit('binary-two', a, b));
  socket.on('binary-ack', (data, ack) => ack(data));
}
