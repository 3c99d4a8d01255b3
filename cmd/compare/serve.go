package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/scenarios"
)

func serveCommand(c *call) error {
	name := c.flags.String("stack", "", "the stack whose server to run")
	addr := c.flags.String("addr", "127.0.0.1:0", "host and port to listen on; port 0 is one that the system chooses")
	origins := c.flags.String("origin", "", "origins of web pages that may connect beside the server's own, separated by commas")
	if err := c.parse(); err != nil {
		return err
	}
	if *name == "" {
		var names []string
		for _, s := range bench.Stacks() {
			names = append(names, s.Name)
		}
		return usagef("-stack is missing; there are %s", strings.Join(names, ", "))
	}
	stacks, err := chooseStacks(*name, scenarios.Full)
	if err != nil {
		return err
	}
	if len(stacks) != 1 {
		return usagef("-stack takes one stack, not %d", len(stacks))
	}
	host, _, err := net.SplitHostPort(*addr)
	if err != nil {
		return usagef("-addr %q is not a host and a port: %v", *addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		fmt.Fprintf(c.stderr, "warning: %s can be reached from other machines; the chat asks nobody who they are\n", *addr)
	}
	stack := stacks[0]
	machine, can, err := c.look(stacks)
	if err != nil {
		return err
	}
	if len(can) == 0 {
		l := machine.LeftOut[0]
		return fmt.Errorf("%s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	env := bench.NewEnv(c.ctx, machine)
	defer env.Close()
	node, err := env.ServeAt(c.ctx, stack, scenarios.ServerConfig{Origins: split(*origins)}, *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %s\n%s\nCtrl-C ends it.\n", stack.Name, stack.About, joining(stack, node.URL()))
	select {
	case <-c.stop:
	case <-node.Exited():
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	if err := node.Stop(ctx); err != nil {
		return fmt.Errorf("the server ended: %w", err)
	}
	return c.ctx.Err()
}

// joining says how to talk to the server.
func joining(s scenarios.Stack, url string) string {
	if !s.IsChat() {
		return fmt.Sprintf("listening on %s%s\n"+
			"It is no chat: whatever a client sends goes to all. The load generator speaks to it.", url, s.Path())
	}
	if s.Protocol == scenarios.ProtocolRaw {
		return fmt.Sprintf("listening on %[1]s%[2]s\n"+
			"Join it with any WebSocket client, for example: npx wscat -c %[1]s%[2]s\n"+
			`  {"type":"join","id":1,"data":{"room":"lobby","from":"ann","body":"hello"}}`+"\n"+
			`  {"type":"chat","data":{"room":"lobby","from":"ann","seq":1,"body":"hi"}}`,
			"ws"+strings.TrimPrefix(url, "http"), s.Path())
	}
	module, transports := "socket.io-client", strings.Join(s.Mode.Transports, `", "`)
	if s.Protocol == scenarios.ProtocolEIO3 {
		module = "socket.io-client-v2" // as sio/node/package.json calls version 2
	}
	return fmt.Sprintf("listening on %s%s\nJoin it from a module in sio/node, for example:\n"+
		`  import io from %q`+"\n"+
		`  const socket = io(%q, {transports: ["%s"]})`+"\n"+
		`  socket.emit("join", {room: "lobby", from: "ann", body: "hello"}, console.log)`+"\n"+
		`  socket.on("chat", console.log)`+"\n"+
		`  socket.emit("chat", {room: "lobby", from: "ann", seq: 1, body: "hi"})`,
		url, s.Path(), module, url, transports)
}
