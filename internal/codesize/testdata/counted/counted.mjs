// This module is counted by hand; see counted_test.go.

import { createServer } from 'node:http';

import { WebSocketServer } from 'ws';

// limit is how many there may be.
const limit = 3;

export class Hub {
  size = 0;

  add(name, ws) {
    if (name === '' || (ws.readyState !== 1 && !this.full)) {
      throw new TypeError('not added');
    } else if (this[name]) return false;
    else this[name] = ws;
    return ws?.protocol ?? 'none';
  }
}

// What follows is by hand because this is a fixture.

// serve listens.
export async function serve({ port = 80, path = /^\/a[/]b$/u }) {
  const http = createServer((req, res) => res.writeHead(404).end());
  const wss = new WebSocketServer({ server: http, maxPayload: limit });
  const hub = new Hub();
  wss.on('connection', (ws, req) => {
    ws.on('error', () => {});
    try {
      hub.add(`${req.url}!`, ws);
    } catch {
      ws.terminate();
    }
  });
  outer: for (let i = 0; i < limit; i++) {
    for (const part of path.source.split('/')) {
      switch (part) {
        case 'a':
          continue outer;
        default:
          setTimeout(() => serve({ port: port + i }), 10);
      }
    }
  }
  await new Promise((resolve) => http.listen(port, resolve));
  return wss.clients.size > limit ? null : wss;
}
