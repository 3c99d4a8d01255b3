package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// BadInput is something that a client over polling should not send, or not like
// this. There is no rule of the protocol for each of them: what a server does is
// told, not judged. rawws/fallback.go refuses what is unknown, malformed, out of
// order or too large with a status and a reason, passes over what is replayed,
// and goes on; its tests say so.
type BadInput struct {
	Name  string `json:"name"`
	About string `json:"about"`
	send  func(*intruder)
}

// BadInputs are all of them.
func BadInputs() []BadInput {
	return []BadInput{
		{"unknown-get", "a poll of a session that does not exist", func(i *intruder) {
			i.tell(i.ask(http.MethodGet, "nobody", ""))
		}},
		{"unknown-post", "a post to a session that does not exist", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, "nobody", i.payload(`42["echo","x"]`)))
		}},
		{"foreign", "the session of somebody else, whose id was found out", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, i.bystander, i.payload(`42["echo","x"]`)))
		}},
		{"guessed", "the session before one's own, by counting", func(i *intruder) {
			next := "no-number"
			var n int
			if _, err := fmt.Sscanf(i.sid, "%d", &n); err == nil && fmt.Sprint(n) == i.sid {
				next = fmt.Sprint(n - 1)
			}
			i.tell(i.ask(http.MethodPost, next, i.payload(`42["echo","x"]`)))
		}},
		{"malformed", "a post that is no payload", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, i.sid, "\x00garbage"))
		}},
		{"malformed-json", "an event whose JSON does not end", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, i.sid, i.payload(`42["echo",`)))
		}},
		{"empty", "a post of nothing", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, i.sid, ""))
		}},
		{"replayed", "the same post twice: nothing has a number, so both are acted on", func(i *intruder) {
			i.ask(http.MethodPost, i.sid, i.payload(`42["echo","x"]`))
			i.tell(i.ask(http.MethodPost, i.sid, i.payload(`42["echo","x"]`)))
		}},
		{"oversized", "a post of 2 MB", func(i *intruder) {
			i.tell(i.ask(http.MethodPost, i.sid, i.payload(`42["echo","`+strings.Repeat("x", 2_000_000)+`"]`)))
		}},
		{"polls-at-once", "a second poll while the first waits", func(i *intruder) {
			other := make(chan string, 1)
			go func() { other <- i.ask(http.MethodGet, i.sid, "") }()
			i.tell(i.ask(http.MethodGet, i.sid, ""))
			i.tell(<-other)
			slices.Sort(i.answers) // whichever came first
		}},
		{"method", "PUT", func(i *intruder) { i.tell(i.ask(http.MethodPut, i.sid, "x")) }},
	}
}

// BadAnswer is what a server did.
type BadAnswer struct {
	Input     BadInput `json:"input"`
	Answers   []string `json:"answers"`   // "400", or "no answer"
	Own       bool     `json:"own"`       // the session that was used is still there
	Bystander bool     `json:"bystander"` // and so is somebody else's
}

// Status is what was answered: "400", or "200, no answer" to two requests.
func (a BadAnswer) Status() string { return strings.Join(a.Answers, ", ") }

// String returns the answer as a row of a table has it.
func (a BadAnswer) String() string {
	lives := map[bool]string{true: "lives", false: "ended"}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", a.Input.Name, a.Input.About, a.Status(), lives[a.Own], lives[a.Bystander])
}

// How long an answer is waited for: to a poll, which may have nothing to say and
// then ends for it, and to anything else, which a busy machine may take a while
// for.
const (
	unanswered = 4 * time.Second
	patience   = 30 * time.Second
)

// intruder sends bad input.
type intruder struct {
	ctx            context.Context
	version        Version
	base           string
	sid, bystander string
	answers        []string
}

// Misuse sends each bad input to a target's server, and tells what it did.
func (t Target) Misuse(ctx context.Context, s Servers) ([]BadAnswer, error) {
	var all []BadAnswer
	for _, input := range BadInputs() {
		i := &intruder{ctx: ctx, version: t.Version, base: s.Calm}
		for _, sid := range []*string{&i.bystander, &i.sid} {
			var err error
			for tries := 1; ; tries++ {
				if *sid, err = i.open(); err == nil || t.Flaky == "" || tries == mostTries {
					break
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: open a session: %w", input.Name, err)
			}
		}
		input.send(i)
		all = append(all, BadAnswer{input, i.answers, i.lives(i.sid), i.lives(i.bystander)})
		i.ask(http.MethodPost, i.sid, i.payload("1"))
		i.ask(http.MethodPost, i.bystander, i.payload("1"))
	}
	return all, ctx.Err()
}

// tell notes an answer.
func (i *intruder) tell(answer string) { i.answers = append(i.answers, answer) }

// payload frames one packet.
func (i *intruder) payload(packet string) string {
	if i.version == EIO3 {
		return fmt.Sprintf("%d:%s", len(packet), packet)
	}
	return packet
}

// url is where a session is asked for.
func (i *intruder) url(sid string) string {
	url := fmt.Sprintf("%s/socket.io/?EIO=%d&transport=polling&b64=1", i.base, i.version)
	if sid != "" {
		url += "&sid=" + sid
	}
	return url
}

// request makes a request and returns its status and body.
func (i *intruder) request(method, sid, body string) (status, text string) {
	limit := patience
	if method == http.MethodGet {
		limit = unanswered
	}
	ctx, cancel := context.WithTimeout(i.ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, i.url(sid), strings.NewReader(body))
	if err != nil {
		return err.Error(), ""
	}
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer", ""
	case err != nil:
		return "connection closed", ""
	}
	defer answer.Body.Close()
	all, _ := io.ReadAll(answer.Body)
	return fmt.Sprintf("%d", answer.StatusCode), string(all)
}

// ask makes a request and returns its status.
func (i *intruder) ask(method, sid, body string) string {
	status, _ := i.request(method, sid, body)
	return status
}

// open opens a session in which the chat may be spoken, and takes what the
// server says first.
func (i *intruder) open() (string, error) {
	_, text := i.request(http.MethodGet, "", "")
	_, rest, _ := strings.Cut(text, `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return "", fmt.Errorf("no session id in %q", text)
	}
	if i.version == EIO4 {
		i.ask(http.MethodPost, sid, "40")
	}
	if _, text := i.request(http.MethodGet, sid, ""); !strings.Contains(text, "40") {
		return "", fmt.Errorf("the namespace is not open: %q", text)
	}
	return sid, nil
}

// lives reports whether a session takes an event and answers it. go-socket.io
// may not take it before what it has to say itself was asked for, so both are
// done at once.
func (i *intruder) lives(sid string) bool {
	taken := make(chan bool, 1)
	go func() { taken <- i.ask(http.MethodPost, sid, i.payload(`420["ack","x"]`)) == "200" }()
	answered := false
	for range 4 { // what the bad input has caused may come before
		status, text := i.request(http.MethodGet, sid, "")
		if answered = strings.Contains(text, `430["x"]`); answered || status != "200" {
			break
		}
	}
	return <-taken && answered
}
