// The chat over the browser's own WebSocket.

const chat = (() => {
  const waiting = new Map(); // by id, the requests without an answer
  let lastId = 0;
  let name, greeting, socket, gone;

  function emit(frame) {
    if (socket.readyState !== WebSocket.OPEN) throw new Error('not connected');
    socket.send(JSON.stringify(frame));
  }

  function request(type, room, body) {
    return new Promise((resolve, reject) => {
      const id = ++lastId;
      emit({ type, id, data: { room, from: name, seq: 0, body } });
      waiting.set(id, { resolve, reject });
    });
  }

  function answered({ id, error }) {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error));
    else resolve?.();
  }

  function received({ data: text }) {
    const { type, data, ...rest } = JSON.parse(text);
    if (type === 'ack') answered(rest);
    else tell({ event: { kind: type === 'chat' ? 'message' : type, message: data } });
  }

  function dial(url, config) {
    ({ name, greeting = '' } = config);
    const to = new URL('/ws', url);
    to.protocol = to.protocol.replace('http', 'ws');
    socket = new WebSocket(to);
    socket.onmessage = received;
    return new Promise((resolve, reject) => {
      let up = false;
      socket.onopen = () => {
        up = true;
        tell({ event: { kind: 'up', transport: 'websocket' } });
        resolve();
      };
      gone = new Promise((closed) => {
        // A page is told a code and what the server said; why the browser did
        // not connect is for its console alone.
        socket.onclose = ({ code, reason: said }) => {
          const reason = [`close code ${code}`, said].filter(Boolean).join(': ');
          const lost = new Error(`connection lost: ${reason}`);
          for (const request of waiting.values()) request.reject(lost);
          if (up) tell({ event: { kind: 'down', reason } });
          else reject(new Error(`cannot connect: ${reason}`));
          closed();
        };
      });
    });
  }

  return {
    dial,
    join: (room) => request('join', room, greeting),
    leave: (room) => request('leave', room, ''),
    send: (data) => emit({ type: 'chat', data }),
    announce: (data) => emit({ type: 'announce', data }),
    close: async () => {
      socket.close(1000);
      await gone;
    },
  };
})();
