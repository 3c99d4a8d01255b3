// What requests may hold: the fields of the structs in Go that they are made
// from, by their names in JSON, those of what is in them included. A test in Go
// holds both together.

const serverConfig = {
  node: null,
  redis: null,
  origins: null,
  readLimit: null,
  queue: null,
  queueBytes: null,
  pingIntervalNs: null,
  pingTimeoutNs: null,
  writeTimeoutNs: null,
  recoveryNs: null,
  protocol: null,
  behind: { trusted: null, idleNs: null },
};

const dialConfig = {
  name: null,
  greeting: null,
  origin: null,
  proxy: null,
  ca: null,
  protocol: null,
  transports: null,
  tryAll: null,
  lacks: null,
  reconnect: {
    delayNs: null,
    maxDelayNs: null,
    jitter: null,
    timeoutNs: null,
    pingIntervalNs: null,
    pingTimeoutNs: null,
    resume: null,
    retries: null,
    ackTimeoutNs: null,
  },
};

// start and client are the arguments of the request start, and of those that
// name a client.
export const start = {
  protocol: null,
  role: null,
  program: null,
  addr: null,
  config: serverConfig,
  browser: null,
  packages: null,
};

export const client = {
  client: null,
  url: null,
  config: dialConfig,
  room: null,
  message: { room: null, from: null, seq: null, body: null },
};

// unknown returns the name of a field that an object has and those known have
// not, undefined if there is none.
export function unknown(object, known) {
  for (const [name, value] of Object.entries(object ?? {})) {
    if (!Object.hasOwn(known, name)) return name;
    const inside = known[name] && unknown(value, known[name]);
    if (inside) return inside;
  }
  return undefined;
}
