package bench

import (
	"context"

	"wsvsio/internal/broker"
	"wsvsio/scenarios"
)

// Broker implements scenarios.Brokers. The broker ends with the environment.
func (e *Env) Broker(_ context.Context, kind string) (scenarios.Broker, error) {
	b, err := broker.Start(e.ctx, kind)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.brokers = append(e.brokers, b)
	return b, nil
}
