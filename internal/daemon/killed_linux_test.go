package daemon

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// orphanEnv has TestOrphans be the harness that is killed.
const orphanEnv = "WSVSIO_DAEMON_ORPHANS"

// TestOrphans kills a harness that has started one of each program: the system
// ends them, too.
func TestOrphans(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		harness(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestOrphans$")
	cmd.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var addrs, folders []string
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 1 && fields[0] == "ready" {
			break
		}
		if len(fields) == 3 && fields[0] == "daemon" {
			addrs, folders = append(addrs, fields[1]), append(folders, fields[2])
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	defer func() {
		for _, folder := range folders {
			os.RemoveAll(folder) // who is killed cannot
		}
	}()
	if len(addrs) == 0 {
		t.Skip("none of the programs is installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(readyStep)
	defer tick.Stop()
	for _, addr := range addrs {
		for {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if ctx.Err() != nil {
				t.Fatalf("somebody still answers at %s, of %v", addr, addrs)
			}
			if err != nil {
				break
			}
			conn.Close()
			<-tick.C
		}
	}
}

// harness starts what there is, says so and waits for its end.
func harness(t *testing.T) {
	node := nodes(t, 1)[0]
	started := make(map[string]bool)
	for _, k := range Kinds() {
		if started[k.Program.Name] || k.Nodes > 1 {
			continue
		}
		started[k.Program.Name] = true
		if _, _, err := k.Program.Find(t.Context()); err != nil {
			continue
		}
		d, err := Start(t.Context(), k, []string{node}[:k.Nodes]...)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("daemon", d.Addr(), d.folder)
	}
	fmt.Println("ready")
	select {}
}
