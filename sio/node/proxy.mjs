// What the chat over Socket.IO has to do for the proxies between its two ends.

import { randomBytes } from 'node:crypto';

import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';

// through returns the options with which a client goes through its proxy, if
// it has one, and trusts its authority. As in a browser, plain HTTP is asked
// of the proxy, and all else goes through CONNECT.
export function through({ proxy, ca }, url) {
  if (!proxy) return { ca };
  const tunnel = new HttpsProxyAgent(proxy);
  const secure = new URL(url).protocol === 'https:';
  const plain = secure ? tunnel : new HttpProxyAgent(proxy);
  const websocket = { agent: tunnel };
  return { ca, transportOptions: { polling: { agent: plain }, websocket } };
}

// behind returns a configuration whose heartbeat is quick enough that no proxy
// takes a connection for idle: two fit into the time that one waits.
export function behind(cfg) {
  const idle = cfg.behind?.idleNs || Infinity;
  return { ...cfg, pingIntervalNs: Math.min(cfg.pingIntervalNs, idle / 2) };
}

// forwarded returns the host and the client's address of a request as it came
// to the first of the proxies that are trusted.
export function forwarded(cfg, { headers, socket }) {
  const trusted = cfg.behind?.trusted ?? 0;
  // Where none is, whoever sends the headers may be anybody.
  const told = (name) => trusted > 0 && first(headers[name], trusted);
  return {
    host: told('x-forwarded-host') || headers.host,
    address: told('x-forwarded-for') || socket.remoteAddress,
  };
}

// first returns what the first of n proxies has said in a header to which each
// adds at the end. What stands before that the client may have made up. A
// proxy that does not add but replaces leaves fewer.
function first(header = '', n) {
  const values = header.split(',');
  return values[Math.max(0, values.length - n)].trim();
}

// sessionId makes a random session id behind the name of the node, by which a
// load balancer can find it.
export function sessionId(node) {
  return node + randomBytes(15).toString('base64url');
}
