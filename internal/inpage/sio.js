// The chat over Socket.IO: io is of its bundle for browsers, version 2 or 4.

const chat = (() => {
  const waiting = new Set(); // the rejects of requests without an answer
  let name, greeting, socket, gone;

  function emit(event, ...args) {
    if (!socket.connected) throw new Error('not connected');
    socket.emit(event, ...args);
  }

  function request(event, room, body) {
    return new Promise((resolve, reject) => {
      emit(event, { room, from: name, seq: 0, body }, (error) => {
        waiting.delete(reject);
        if (error) reject(new Error(error));
        else resolve();
      });
      waiting.add(reject);
    });
  }

  function dial(url, config) {
    ({ name, greeting = '' } = config);
    const { transports, tryAll } = config;
    socket = io(url, {
      transports,
      tryAllTransports: tryAll,
      reconnection: false,
      forceNew: true, // a connection for each client
    });
    const { engine } = socket.io;
    gone = new Promise((closed) => engine.on('close', closed));
    return new Promise((resolve, reject) => {
      let up = false;
      let transport = engine.transport.name;
      let trouble; // the error that ends the connection

      // An upgrade may be through before the chat is connected.
      const upgraded = () => {
        const { name: now } = engine.transport;
        if (!socket.connected || now === transport) return;
        transport = now;
        tell({ event: { kind: 'transport', transport } });
      };
      const refused = (error) => {
        const reason = explain(error?.message ?? error, error);
        reject(new Error(`cannot connect: ${reason}`));
        if (!up) socket.disconnect();
      };

      engine.on('open', () => {
        transport = engine.transport.name; // it may not be the first one tried
      });
      engine.on('upgrade', upgraded);
      engine.on('close', (why, error) => {
        trouble = error;
      });
      socket.on('connect', () => {
        up = true;
        tell({ event: { kind: 'up', transport } });
        upgraded();
        resolve();
      });
      socket.on('chat', (message) => tell({ event: { kind: 'message', message } }));
      socket.on('announce', (message) => tell({ event: { kind: 'announce', message } }));
      socket.on('joined', (message) => tell({ event: { kind: 'joined', message } }));
      socket.on('connect_error', refused);
      socket.on('error', refused); // version 2, when the server says no
      socket.on('disconnect', (why) => {
        const reason = explain(why, trouble);
        const lost = new Error(`connection lost: ${reason}`);
        for (const abandon of waiting) abandon(lost);
        if (up) tell({ event: { kind: 'down', reason } });
        else reject(new Error(`cannot connect: ${reason}`));
      });
    });
  }

  // explain puts what is known about the end of a connection into one line. A
  // page is told the status of a request, and of a WebSocket a close code.
  function explain(why, error) {
    const description = error?.description;
    const parts = [
      description > 0 && `HTTP status ${description}`,
      description?.code && `close code ${description.code}`,
    ];
    return [why, ...parts].filter(Boolean).join(': ');
  }

  return {
    dial,
    join: (room) => request('join', room, greeting),
    leave: (room) => request('leave', room, ''),
    send: (message) => emit('chat', message),
    announce: (message) => emit('announce', message),
    close: async () => {
      socket.disconnect();
      await gone;
    },
  };
})();
