// Package daemon runs programs of other people that chats stand behind or beside:
// the proxies nginx, HAProxy and squid, and a Redis.
//
// Each runs in the foreground, in one process, on a loopback port that is kept
// for it, with a configuration that is written for it and a temporary folder of
// its own. It is ready when it answers, and gone when Stop returns, when the
// context ends or, on Linux, when this process dies.
package daemon
