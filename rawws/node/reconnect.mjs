// The chat over a plain WebSocket, on reconnecting-websocket and ws: a client
// that comes back by itself. It notices that a connection has ended, not that
// one has gone silent: the library has no heartbeat.

import ReconnectingWebSocket from 'reconnecting-websocket';
import { WebSocket } from 'ws';

import { explain } from './client.mjs';
import { through } from './proxy.mjs';

const defaults = {
  delayNs: 1e9,
  maxDelayNs: 5e9,
  jitter: 0.5,
  timeoutNs: 20e9,
};

// dial connects to a server and resolves to a client. It calls on(event) for
// all that the client sees, in order, and rejects if it cannot connect. From
// then on the client connects again whenever its connection has ended.
export async function dial(url, config, on) {
  const cfg = { ...defaults, ...config.reconnect };
  const waiting = new Map(); // by id, the requests without an answer
  const rooms = new Set(); // the names of the rooms to be in
  let lastId = 0;
  let open = false; // there is a connection
  let up = false; // and it is in its rooms
  let closed = false; // by the application
  let trouble; // the error that ends the connection

  // The library makes sockets of a class, with nothing but the address. When
  // one does not connect in time, it takes its listeners away and closes it,
  // which is an error: without one more listener the process would end.
  class Socket extends WebSocket {
    constructor(address) {
      if (socket.retryCount > 0) {
        on({ kind: 'attempt', reason: `attempt ${socket.retryCount}` });
      }
      super(address, {
        ...through(config),
        origin: config.origin,
        closeTimeout: 1000, // ms for the server to answer a close frame
        perMessageDeflate: false, // equal work: neither side compresses
      });
      trouble = undefined;
      this.on('error', (error) => {
        trouble = error;
      });
    }
  }

  // The library has no jitter. It gives each process a first pause of its own,
  // from which the others follow; here it is each client.
  const spread = 1 + Math.max(cfg.jitter, 0) * (2 * Math.random() - 1);
  const socket = new ReconnectingWebSocket(new URL('/ws', url).href, [], {
    WebSocket: Socket,
    minReconnectionDelay: (cfg.delayNs / 1e6) * spread,
    maxReconnectionDelay: cfg.maxDelayNs / 1e6,
    reconnectionDelayGrowFactor: 2,
    connectionTimeout: cfg.timeoutNs / 1e6,
    minUptime: 0, // once connected, the next pause is the first again
  });

  // What is sent while there is no connection the library keeps, and sends
  // when there is one, before anything else.
  function emit(frame) {
    if (closed) throw new Error('client is closed');
    socket.send(JSON.stringify(frame));
  }

  function request(type, room, body) {
    return new Promise((resolve, reject) => {
      const id = ++lastId;
      emit({ type, id, data: { room, from: config.name, seq: 0, body } });
      waiting.set(id, { resolve, reject });
    });
  }

  function answered({ id, error }) {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error));
    else resolve?.();
  }

  function abandon(reason) {
    const lost = new Error(`connection lost: ${reason}`);
    for (const request of waiting.values()) request.reject(lost);
    waiting.clear();
  }

  const client = {
    join: async (room) => {
      await request('join', room, config.greeting ?? '');
      rooms.add(room);
    },
    leave: async (room) => {
      await request('leave', room, '');
      rooms.delete(room);
    },
    send: async (message) => emit({ type: 'chat', data: message }),
    announce: async (message) => emit({ type: 'announce', data: message }),
    close: async () => {
      closed = true;
      const gone = new Promise((resolve) => {
        socket.addEventListener('close', resolve);
      });
      socket.close();
      if (socket.readyState !== WebSocket.CLOSED) await gone;
      abandon('closed');
    },
  };

  return new Promise((resolve, reject) => {
    let dialed = false; // it has been up

    socket.addEventListener('open', async () => {
      open = true;
      if (rooms.size > 0) {
        // Silently: nobody new has joined.
        const requests = [...rooms].map((room) => request('join', room, ''));
        try {
          await Promise.all(requests);
        } catch {
          return; // lost again
        }
      }
      if (socket.readyState !== WebSocket.OPEN) return;
      dialed = up = true;
      on({ kind: 'up', transport: 'websocket' });
      resolve(client);
    });
    socket.addEventListener('message', ({ data, target }) => {
      let frame;
      try {
        frame = JSON.parse(data);
      } catch {
        return target.close(1007, 'not valid JSON'); // reconnect has no pause
      }
      switch (frame.type) {
        case 'ack':
          return answered(frame);
        case 'chat':
          return on({ kind: 'message', message: frame.data });
        case 'announce':
          return on({ kind: 'announce', message: frame.data });
        case 'joined':
          return on({ kind: 'joined', message: frame.data });
      }
    });
    socket.addEventListener('close', ({ code, reason: text }) => {
      // The library says 1000 of what has ended with an error.
      const reason = explain(trouble ? 1006 : code, text, trouble);
      if (open) abandon(reason);
      if (up) on({ kind: 'down', reason });
      open = up = false;
      if (dialed) return;
      socket.close(); // it would try again
      reject(new Error(`cannot connect: ${reason}`));
    });
  });
}
