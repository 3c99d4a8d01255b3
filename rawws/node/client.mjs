// The chat over a plain WebSocket, on ws: the client. It does not come back
// by itself.

import { WebSocket } from 'ws';

import { through } from './proxy.mjs';

// dial connects to a server and resolves to a client. It calls on(event) for
// all that the client sees, in order, and rejects if it cannot connect.
export async function dial(url, config, on) {
  if (config.lacks) throw new Error(`this client has no ${config.lacks}`);
  const ws = new WebSocket(new URL('/ws', url), {
    ...through(config),
    origin: config.origin,
    handshakeTimeout: 20_000, // ms, as in socket.io-client
    closeTimeout: 1000, // ms that the server may take to answer a close frame
    perMessageDeflate: false, // equal work on both sides: neither compresses
  });
  const waiting = new Map(); // by id, the requests without an answer
  const gone = new Promise((resolve) => ws.on('close', resolve));
  let lastId = 0;
  let trouble; // the error that ends the connection

  function emit(frame) {
    if (ws.readyState !== WebSocket.OPEN) throw new Error('not connected');
    ws.send(JSON.stringify(frame));
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

  const client = {
    join: (room) => request('join', room, config.greeting ?? ''),
    leave: (room) => request('leave', room, ''),
    send: async (message) => emit({ type: 'chat', data: message }),
    announce: async (message) => emit({ type: 'announce', data: message }),
    close: async () => {
      ws.close(1000);
      await gone;
    },
  };

  return new Promise((resolve, reject) => {
    let up = false;

    ws.on('open', () => {
      up = true;
      on({ kind: 'up', transport: 'websocket' });
      resolve(client);
    });
    ws.on('message', (text) => {
      let frame;
      try {
        frame = JSON.parse(text);
      } catch {
        return ws.close(1007, 'not valid JSON');
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
    ws.on('error', (error) => {
      trouble = error;
    });
    ws.on('close', (code, text) => {
      const reason = explain(code, text, trouble);
      const lost = new Error(`connection lost: ${reason}`);
      for (const request of waiting.values()) request.reject(lost);
      if (up) on({ kind: 'down', reason });
      else reject(new Error(`cannot connect: ${reason}`));
    });
  });
}

// explain puts what is known about the end of a connection into one line. An
// error about several addresses has a code instead of a message.
export function explain(closeCode, text, error) {
  const parts = [text.toString(), error?.message || error?.code];
  return [`close code ${closeCode}`, ...parts].filter(Boolean).join(': ');
}
