package bench

import (
	"context"
	"errors"

	"wsvsio/scenarios"
)

// Build is another build of the programs: that of another commit, or with
// other libraries. What loads and measures them stays this program.
type Build struct {
	Binary string // whose main is a worker's, see package worker; "" is this program
	Root   string // folder of the repository that has the Node programs; "" is the machine's
}

// Try starts the programs of a stack and ends them. It fails if a build lacks
// one of them, or speaks another version of the control protocol.
func Try(ctx context.Context, m Machine, s scenarios.Stack) error {
	env := NewEnv(ctx, m)
	defer env.Close()
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	if s.IsChat() {
		crew, err := env.Clients(ctx, s)
		if err != nil {
			return err
		}
		err = crew.Stop(ctx)
		return errors.Join(err, node.Stop(ctx))
	}
	return node.Stop(ctx)
}
