// The chat over Socket.IO, on socket.io-client: a client that comes back by
// itself. Its heartbeat notices a connection that has gone silent, too. Only
// where a server says disconnect() the library stays away.

import { connect, explain } from './client.mjs';

const defaults = {
  delayNs: 1e9,
  maxDelayNs: 5e9,
  jitter: 0.5,
  timeoutNs: 20e9,
  retries: 0,
  ackTimeoutNs: 10e9,
};

// dial connects to a server and resolves to a client. It calls on(event) for
// all that the client sees, in order, and rejects if it cannot connect. From
// then on the client connects again whenever its connection has ended.
export async function dial(url, config, on) {
  const cfg = { ...defaults, ...config.reconnect };
  const waiting = new Set(); // the rejects of requests without an answer
  const rooms = new Set(); // the names of the rooms to be in
  let inside = true; // the server has it in its rooms
  let up = false; // and they are connected
  let closed = false; // by the application
  let trouble; // the error that ends the connection
  let closeCode; // of its WebSocket

  const socket = connect(url, config, {
    reconnectionDelay: cfg.delayNs / 1e6,
    reconnectionDelayMax: cfg.maxDelayNs / 1e6,
    randomizationFactor: cfg.jitter, // version 2 takes 0 for the default
    timeout: cfg.timeoutNs / 1e6,
    // With retries all that is sent waits in one queue, each for the answer
    // to the one before it. Version 2 does not know that.
    retries: cfg.retries,
    ackTimeout: cfg.retries > 0 ? cfg.ackTimeoutNs / 1e6 : undefined,
  });

  // What is sent while there is no connection the library keeps, and sends
  // when there is one, before anything else.
  function emit(event, ...args) {
    if (closed) throw new Error('client is closed');
    socket.emit(event, ...args);
  }

  function request(event, room, body) {
    return new Promise((resolve, reject) => {
      const data = { room, from: config.name, seq: 0, body };
      emit(event, data, (...args) => {
        waiting.delete(reject);
        const error = args.at(-1); // with retries, the library's comes first
        if (error) reject(new Error(error.message ?? error));
        else resolve();
      });
      waiting.add(reject);
    });
  }

  function abandon(reason) {
    const lost = new Error(`connection lost: ${reason}`);
    for (const reject of waiting) reject(lost);
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
    send: async (message) => emit('chat', message),
    announce: async (message) => emit('announce', message),
    close: async () => {
      closed = true;
      const { engine } = socket.io;
      const gone = new Promise((resolve) => engine.on('close', resolve));
      socket.disconnect();
      if (engine.readyState !== 'closed') await gone;
      abandon('closed');
    },
  };

  return new Promise((resolve, reject) => {
    let dialed = false; // it has been up

    const refused = (error) => {
      if (dialed) return; // it tries again
      const reason = explain(error?.message ?? error, error);
      reject(new Error(`cannot connect: ${reason}`));
      socket.disconnect(); // it would try again
    };

    socket.io.on('reconnect_attempt', (number) => {
      on({ kind: 'attempt', reason: `attempt ${number}` });
    });
    // Version 2 does not pass on the close code of its WebSocket.
    const watch = ({ ws }) => {
      ws?.prependListener('close', (code) => {
        closeCode = code;
      });
    };
    socket.io.on('open', () => {
      const { engine } = socket.io;
      trouble = closeCode = undefined;
      watch(engine.transport);
      engine.on('close', (why, error) => {
        trouble = error;
      });
      engine.on('upgrade', (transport) => {
        watch(transport);
        if (up) on({ kind: 'transport', transport: transport.name });
      });
    });
    socket.on('connect', async () => {
      const { engine } = socket.io;
      // A server recovers only who has received a message before. What was
      // missed has come by now.
      inside &&= socket.recovered || rooms.size === 0;
      if (!inside) {
        // Silently: nobody new has joined.
        const requests = [...rooms].map((room) => request('join', room, ''));
        try {
          await Promise.all(requests);
        } catch {
          return; // lost again
        }
      }
      // With retries, requests outlive the connection.
      if (!socket.connected || socket.io.engine !== engine) return;
      dialed = up = inside = true;
      const transport = engine.transport.name;
      on({ kind: 'up', transport, recovered: socket.recovered });
      resolve(client);
    });
    socket.on('chat', (message) => on({ kind: 'message', message }));
    socket.on('announce', (message) => on({ kind: 'announce', message }));
    socket.on('joined', (message) => on({ kind: 'joined', message }));
    socket.on('connect_error', refused);
    socket.on('error', refused); // version 2, when the server says no
    socket.on('disconnect', (why) => {
      const reason = explain(why, trouble, closeCode);
      if (cfg.retries === 0) abandon(reason);
      if (up) on({ kind: 'down', reason });
      up = false;
      if (!dialed) refused(reason);
    });
  });
}
