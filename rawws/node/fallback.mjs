// The chat over a plain WebSocket, on ws: a client that needs none. Where there
// is none it polls. ../fallback.go says what is spoken.

import http from 'node:http';
import https from 'node:https';

import { WebSocket } from 'ws';

import { through } from './proxy.mjs';

const defaults = {
  delayNs: 1e9,
  jitter: 0.5,
  timeoutNs: 20e9,
};

const eager = 250; // ms for the first WebSocket, as RFC 8305 has it
const maxPause = 60_000; // ms between two attempts to get another
const closeGrace = 1000; // ms for the server to take the last message
const maxKept = 256; // messages that the server has not got yet
const ackEvery = 64; // messages after which the server is told

// What follows is by hand because a plain WebSocket has nothing to fall back
// on.

// dial connects to a server and resolves to a client. It calls on(event) for
// all that the client sees, in order, and rejects if it cannot connect.
export async function dial(url, config, on) {
  const cfg = { ...defaults, ...config.reconnect };
  const { transports = ['websocket', 'polling'] } = config;
  const uses = (name) => transports.includes(name) && config.lacks !== name;
  const life = new AbortController(); // ends with the session
  const waiting = new Map(); // by id, the requests without an answer
  const kept = []; // messages that the server has not got yet
  let known = 0; // number of the last message before them
  let got = 0; // number of the server's last message
  let turn = 0;
  let opening; // what the server has said first
  let lastId = 0;
  let leaving = false;
  let late = false; // the first WebSocket was not refused, but too late
  let reason; // why the session has ended
  let wake = () => {};
  let changed = new Promise((resolve) => (wake = resolve));

  // change wakes up those that wait for something to have changed.
  function change() {
    wake();
    changed = new Promise((resolve) => (wake = resolve));
  }

  function end(why) {
    reason ??= why;
    life.abort();
    change();
  }

  function caller() {
    return `${turn} ${got} ${opening.session}`;
  }

  // after returns a batch of the messages after a number, and the number of
  // its last one.
  function after(n) {
    let text = `${n + 1} ${got}`;
    for (const line of kept.slice(n - known)) {
      const more = `${text}\n${line}`;
      if (text.includes('\n') && Buffer.byteLength(more) > opening.limit) break;
      text = more;
      n++;
    }
    return [text, n];
  }

  function acknowledged(n) {
    if (n > known) kept.splice(0, n - known);
    known = Math.max(known, n);
    change();
  }

  // receive takes a batch and returns how many messages are in it.
  function receive(text) {
    const [head, ...lines] = text.split('\n');
    const [first, theirs] = head.split(' ').map(Number);
    if (!Number.isSafeInteger(first + theirs) || first > got + 1) {
      throw new Error(`batch of the server: ${head}`);
    }
    acknowledged(theirs);
    for (const line of lines.slice(got + 1 - first)) {
      got++;
      act(parse(line));
    }
    return lines.length;
  }

  function act({ type, id, error, data }) {
    const { resolve, reject } = waiting.get(id) ?? {};
    switch (type) {
      case 'ack':
        waiting.delete(id);
        return error ? reject?.(new Error(error)) : resolve?.();
      case 'chat':
        return on({ kind: 'message', message: data });
      case 'announce':
        return on({ kind: 'announce', message: data });
      case 'joined':
        return on({ kind: 'joined', message: data });
      case 'bye':
        return end(`close ${id}: ${error}`);
    }
  }

  async function queue(line) {
    while (kept.length >= maxKept && !life.signal.aborted) await changed;
    if (leaving || life.signal.aborted) throw new Error('not connected');
    kept.push(line);
    change();
  }

  function request(type, room, body) {
    return new Promise((resolve, reject) => {
      const id = ++lastId;
      const data = { room, from: config.name, seq: 0, body };
      waiting.set(id, { resolve, reject });
      queue(JSON.stringify({ type, id, data })).catch(reject);
    });
  }

  // ask makes a request and resolves to the text of its answer.
  function ask(method, who, body, signal) {
    const address = new URL('/ws', url);
    const headers = { Host: address.host };
    if (who) headers.Chat = who;
    if (config.origin) headers.Origin = config.origin;
    if (method === 'POST') headers['Content-Length'] = Buffer.byteLength(body);
    return new Promise((resolve, reject) => {
      const options = { method, headers, signal, ca: config.ca, agent: keep };
      if (asksProxy) options.path = address.href;
      const target = asksProxy ? config.proxy : address;
      const req = web.request(target, options, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (piece) => (text += piece));
        res.on('error', reject);
        res.on('end', () => {
          if (res.statusCode < 300) return resolve(text);
          const error = new Error(`HTTP status ${res.statusCode}: ${text}`);
          reject(Object.assign(error, { refused: res.statusCode < 500 }));
        });
      });
      req.on('error', reject);
      req.end(body);
    });
  }

  // attempt resolves to a WebSocket that carries both ways.
  function attempt(limit, signal) {
    // Not the header of a poll: a proxy may take the upgrade off, and what is
    // left is not to be taken for one.
    const headers = opening && {
      'Chat-Upgrade': `${turn + 1} ${got} ${opening.session}`,
    };
    const ws = new WebSocket(new URL('/ws', url), 'chat.fallback', {
      ...through(config),
      headers,
      origin: config.origin,
      closeTimeout: closeGrace,
      perMessageDeflate: false, // equal work: neither side compresses
    });
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        ws.removeAllListeners();
      };
      const fail = (error) => {
        settle();
        ws.on('error', () => {}); // it may not be open yet
        ws.terminate();
        reject(error);
      };
      const stop = () => {
        late = true;
        fail(new Error('no WebSocket in time'));
      };
      const timer = setTimeout(stop, limit);
      signal.addEventListener('abort', stop);
      ws.on('open', () => ws.send('1 0'));
      ws.on('error', fail);
      ws.on('close', () => fail(new Error('WebSocket closed')));
      ws.once('message', (text) => {
        settle();
        ws.on('error', () => {}); // close follows
        opening ??= JSON.parse(text);
        resolve(ws);
      });
    });
  }

  // talk carries the session over a WebSocket until that has ended.
  async function talk(ws) {
    turn++;
    let sent = known;
    let told = got;
    let owes = true; // the first frame has the server begin
    let untold = 0; // bytes that came since anything was said
    let open = ws.readyState === WebSocket.OPEN;
    let silent; // ends a WebSocket from which nothing comes
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(() => ws.terminate(), opening.silenceMs);
    };
    heard();
    ws.on('message', (text) => {
      heard();
      try {
        untold += text.length;
        owes = receive(text.toString()) === 0 || owes;
        owes ||= untold > opening.limit / 2;
      } catch (error) {
        end(error.message);
      }
    });
    ws.on('close', () => {
      open = false;
      change();
    });
    while (open && !life.signal.aborted) {
      if (owes || known + kept.length > sent || got - told >= ackEvery) {
        let text;
        [text, sent] = after(sent);
        told = got;
        owes = false;
        untold = 0;
        ws.send(text);
      } else await changed;
    }
    clearTimeout(silent);
    ws.terminate();
  }

  // poll carries the session over long polling until there is a WebSocket.
  async function poll() {
    turn++;
    const turnOver = new AbortController();
    const { signal } = turnOver;
    const stop = () => {
      turnOver.abort();
      change();
    };
    life.signal.addEventListener('abort', stop);
    let ws;
    const gets = repeat(signal, async () => {
      receive(await ask('GET', caller(), undefined, signal));
    });
    const posts = repeat(signal, async () => {
      if (kept.length === 0) return changed;
      const [text, last] = after(known);
      await ask('POST', caller(), text, signal);
      acknowledged(last);
    });
    const upgrades = async () => {
      for (let n = late ? -1 : 0; !ws && !signal.aborted; n++) {
        late = false;
        if (n >= 0) await pause(n, signal);
        ws = await attempt(cfg.timeoutNs / 1e6, signal).catch(() => {});
        late = false;
      }
      stop();
    };
    await Promise.all([gets, posts, uses('websocket') && upgrades()]);
    life.signal.removeEventListener('abort', stop);
    return ws;
  }

  // repeat makes requests, again if they fail, until the server has refused one
  // or was not there for too long.
  async function repeat(signal, request) {
    let heard = Date.now();
    let failed = 0;
    while (!signal.aborted) {
      try {
        await request();
        heard = Date.now();
        failed = 0;
      } catch (error) {
        if (signal.aborted) return;
        const late = Date.now() - heard > opening.silenceMs;
        if (error.refused || late) return end(error.message);
        if (failed++ > 0) await pause(failed - 2, signal);
      }
    }
  }

  function pause(n, signal) {
    const spread = 1 + Math.max(cfg.jitter, 0) * (2 * Math.random() - 1);
    const ms = Math.min((cfg.delayNs / 1e6) * 2 ** n * spread, maxPause);
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }

  // run carries the session in one way or the other until it ends.
  async function run(ws) {
    while (!life.signal.aborted) {
      if (ws) {
        await talk(ws);
        ws = undefined;
        if (leaving || !uses('polling')) end('WebSocket closed');
      } else ws = await poll();
      const transport = ws ? 'websocket' : 'polling';
      if (!life.signal.aborted) on({ kind: 'transport', transport });
    }
    ws?.terminate();
    keep.destroy();
    const lost = new Error(`connection lost: ${reason}`);
    for (const { reject } of waiting.values()) reject(lost);
    on({ kind: 'down', reason });
  }

  // first begins the session.
  async function first() {
    const limit = uses('polling') ? eager : cfg.timeoutNs / 1e6;
    if (uses('websocket')) {
      try {
        return await attempt(limit, life.signal);
      } catch (error) {
        if (!uses('polling')) throw error;
      }
    }
    const late = AbortSignal.timeout(cfg.timeoutNs / 1e6);
    opening = JSON.parse(await ask('POST', '', '', late));
  }

  // As in a browser, plain HTTP is asked of a proxy, and all else goes through
  // CONNECT, which it may deny.
  const secure = new URL(url).protocol === 'https:';
  const web = secure ? https : http;
  const asksProxy = config.proxy && !secure;
  const tunnel = secure && through(config).agent;
  const keep = tunnel || new web.Agent({ keepAlive: true });
  let ws;
  try {
    ws = await first();
  } catch (error) {
    keep.destroy();
    throw new Error(`cannot connect: ${error.message}`);
  }
  on({ kind: 'up', transport: ws ? 'websocket' : 'polling' });
  const over = run(ws);
  return {
    join: (room) => request('join', room, config.greeting ?? ''),
    leave: (room) => request('leave', room, ''),
    send: (message) => queue(`chat${JSON.stringify(message)}`),
    announce: (message) => queue(`announce${JSON.stringify(message)}`),
    close: async () => {
      const late = setTimeout(() => end('closed by the client'), closeGrace);
      await queue('{"type":"bye"}').catch(() => {});
      leaving = true;
      while (kept.length > 0 && !life.signal.aborted) await changed;
      clearTimeout(late);
      end('closed by the client');
      await over;
    },
  };
}

// parse takes a line of a batch apart: an envelope, or short for one its type
// and its data.
function parse(line) {
  const at = line.indexOf('{');
  const data = JSON.parse(line.slice(at));
  return at === 0 ? data : { type: line.slice(0, at), data };
}
