//go:build !linux

package reference

import (
	"context"
	"errors"

	"wsvsio/scenarios"
)

var errLinux = errors.New("reference: needs epoll, which Linux has")

// RunIfChild does nothing: this package starts no process on this system.
func RunIfChild() {}

// Receive is not possible on this system.
func Receive(context.Context, Spec) (generator, reference Side, err error) {
	return Side{}, Side{}, errLinux
}

// Codecs is not possible on this system.
func Codecs(context.Context, Spec) (map[scenarios.Protocol]Side, error) { return nil, errLinux }
