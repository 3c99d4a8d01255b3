package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"wsvsio/internal/browser"
	"wsvsio/internal/inpage"
	"wsvsio/scenarios"
)

// browserProgram is the program of this binary that stands for clients in pages.
const browserProgram = "browser"

// pages is the clients in the pages of a browser. One that does not open pages is
// no outcome: the process ends, and so does the cell.
func pages(address, packages string) (scenarios.Dial, func() error) {
	p := inpage.New(context.Background(), address, packages)
	return func(ctx context.Context, url string, cfg scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
		c, err := p.Dial(ctx, url, cfg, on)
		if errors.Is(err, inpage.ErrPage) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return c, err
	}, p.Close
}

// sharedBrowser is a browser that is started when a cell needs one, and serves
// the others, too: it takes a second of CPU to start, and each client has a
// profile of its own.
type sharedBrowser struct {
	ctx context.Context // with which it ends

	mu      sync.Mutex
	browser *browser.Browser
}

// address returns where the browser listens.
func (s *sharedBrowser) address() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser != nil && s.browser.Ended() {
		// The next cell is not to blame for it.
		if err := s.browser.Close(); err != nil {
			return "", err
		}
		s.browser = nil
	}
	if s.browser == nil {
		b, err := browser.Start(s.ctx, browser.Open)
		if err != nil {
			return "", err
		}
		s.browser = b
	}
	return s.browser.Address()
}

// close ends the browser, if there is one.
func (s *sharedBrowser) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser == nil {
		return nil
	}
	b := s.browser
	s.browser = nil
	return b.Close()
}
