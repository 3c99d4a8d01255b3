// The chat over Socket.IO, on socket.io-client: the client. It does not come
// back by itself.

import { io } from 'socket.io-client';
import io2 from 'socket.io-client-v2';

import { transports } from './fallback.mjs';
import { through } from './proxy.mjs';

// dial connects to a server and resolves to a client. It calls on(event) for
// all that the client sees, in order, and rejects if it cannot connect.
export async function dial(url, config, on) {
  const socket = connect(url, config, { reconnection: false });
  const { engine } = socket.io;
  const waiting = new Set(); // the rejects of requests without an answer
  const gone = new Promise((resolve) => engine.on('close', resolve));
  let trouble; // the error that ends the connection
  let closeCode; // of its WebSocket

  function emit(event, ...args) {
    if (!socket.connected) throw new Error('not connected');
    socket.emit(event, ...args);
  }

  function request(event, room, body) {
    return new Promise((resolve, reject) => {
      const data = { room, from: config.name, seq: 0, body };
      emit(event, data, (error) => {
        waiting.delete(reject);
        if (error) reject(new Error(error));
        else resolve();
      });
      waiting.add(reject);
    });
  }

  const client = {
    join: (room) => request('join', room, config.greeting ?? ''),
    leave: (room) => request('leave', room, ''),
    send: async (message) => emit('chat', message),
    announce: async (message) => emit('announce', message),
    close: async () => {
      socket.disconnect();
      await gone;
    },
  };

  return new Promise((resolve, reject) => {
    let up = false;
    let transport = engine.transport.name;

    // An upgrade may be through before the chat is connected.
    const upgraded = () => {
      const { name } = engine.transport;
      if (!socket.connected || name === transport) return;
      transport = name;
      on({ kind: 'transport', transport });
    };
    // Version 2 does not pass on the close code of its WebSocket.
    const watch = ({ ws }) => {
      ws?.prependListener('close', (code) => {
        closeCode = code;
      });
    };
    const refused = (error) => {
      const reason = explain(error?.message ?? error, error);
      reject(new Error(`cannot connect: ${reason}`));
      if (!up) socket.disconnect();
    };

    watch(engine.transport);
    engine.on('open', () => {
      transport = engine.transport.name; // it may not be the first one tried
      watch(engine.transport);
    });
    engine.on('upgrade', watch);
    engine.on('upgrade', upgraded);
    engine.on('close', (why, error) => {
      trouble = error;
    });
    socket.on('connect', () => {
      up = true;
      on({ kind: 'up', transport });
      upgraded();
      resolve(client);
    });
    socket.on('chat', (message) => on({ kind: 'message', message }));
    socket.on('announce', (message) => on({ kind: 'announce', message }));
    socket.on('joined', (message) => on({ kind: 'joined', message }));
    socket.on('connect_error', refused);
    socket.on('error', refused); // version 2, when the server says no
    socket.on('disconnect', (why) => {
      const reason = explain(why, trouble, closeCode);
      const lost = new Error(`connection lost: ${reason}`);
      for (const abandon of waiting) abandon(lost);
      if (up) on({ kind: 'down', reason });
      else reject(new Error(`cannot connect: ${reason}`));
    });
  });
}

// connect makes a socket, of the version that the server speaks.
export function connect(url, config, options) {
  const make = config.protocol === 'engine.io3' ? io2 : io;
  return make(url, {
    ...through(config, url),
    ...transports(config),
    extraHeaders: config.origin ? { Origin: config.origin } : {},
    forceNew: true, // a connection for each client
    perMessageDeflate: false, // equal work on both sides: neither compresses
    forceNode: true, // version 2 would take Node's WebSocket for a browser's
    ...options,
  });
}

// explain puts what is known about the end of a connection into one line. The
// transport describes it with an HTTP status, an error or not at all.
export function explain(why, error, closeCode) {
  const description = error?.description;
  const parts = [
    description > 0 && `HTTP status ${description}`,
    description?.message,
    closeCode && `close code ${closeCode}`,
  ];
  return [why, ...parts].filter(Boolean).join(': ');
}
