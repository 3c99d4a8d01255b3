// What the chat over Socket.IO has to do to need no WebSocket: say which
// transports to use.

import { Agent } from 'node:http';

// transports returns the options of a client for its transports: those to use,
// in order. By default it polls first and upgrades. If a WebSocket comes first
// it is tried for ever, unless all are to be tried, which is of version 4.8.
export function transports(config) {
  const { transports, tryAll, lacks } = config;
  const options = { transports, tryAllTransports: tryAll };
  if (!lacks) return options;
  return { ...options, transportOptions: { [lacks]: { agent: new Absent() } } };
}

// Absent is an agent that never connects, as a platform without a WebSocket
// would not.
class Absent extends Agent {
  createConnection(options, done) {
    process.nextTick(done, new Error('this client has no WebSocket'));
  }
}
