package streams

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// sessionHeader is the header of a request that says something.
const sessionHeader = "Chat-Session"

// boundary parts the messages of a stream in parts.
const boundary = "message"

// The forms of a stream, by the media type that a client asks for.
const (
	eventStream = "text/event-stream"
	inParts     = "multipart/x-mixed-replace"
)

// envelope is a message in either direction.
type envelope struct {
	Type    string            `json:"type"`
	Session string            `json:"session,omitempty"` // of "open"
	Error   string            `json:"error,omitempty"`   // of "bye", or of an answer
	Data    scenarios.Message `json:"data,omitzero"`
}

// server is the chat server.
type server struct {
	cfg     scenarios.ServerConfig
	running sync.WaitGroup

	mu       sync.Mutex
	closing  bool
	sessions map[string]*session
	rooms    map[string]map[*session]bool
}

// NewServer returns a chat server; mount it at scenarios.PathRaw. A client
// chooses the form of its stream by the header Accept.
func NewServer(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	return &server{
		cfg:      cfg.WithDefaults(),
		sessions: make(map[string]*session),
		rooms:    make(map[string]map[*session]bool),
	}, nil
}

// session is a client whose stream is open.
type session struct {
	id    string
	queue chan []byte   // messages that wait
	full  chan struct{} // closed when they were too many
	once  sync.Once
	bye   chan string // why it is told to go
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.cfg.OriginAllowed(r):
		http.Error(w, "origin not allowed", http.StatusForbidden)
	case r.Method == http.MethodGet:
		s.stream(w, r)
	case r.Method == http.MethodPost:
		s.post(w, r)
	default:
		http.Error(w, "want GET or POST", http.StatusMethodNotAllowed)
	}
}

// Shutdown implements scenarios.Server.
func (s *server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for _, c := range s.sessions {
		c.tell("server is shutting down")
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell has a client go.
func (c *session) tell(why string) {
	select {
	case c.bye <- why:
	default:
	}
}

// send queues a message. A client that has fallen behind by a full queue is
// disconnected.
func (c *session) send(text []byte) {
	select {
	case c.queue <- text:
	default:
		c.once.Do(func() { close(c.full) })
	}
}

// encode returns an envelope's text, which has no line feeds.
func encode(e envelope) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return text
}

// enter begins a session.
func (s *server) enter() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil
	}
	c := &session{
		id:    s.cfg.Node + rand.Text(),
		queue: make(chan []byte, s.cfg.Queue),
		full:  make(chan struct{}),
		bye:   make(chan string, 1),
	}
	s.sessions[c.id] = c
	s.running.Add(1)
	return c
}

// forget ends a session.
func (s *server) forget(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c.id)
	for name, room := range s.rooms {
		delete(room, c)
		if len(room) == 0 {
			delete(s.rooms, name)
		}
	}
	s.running.Done()
}

// stream serves a client until it is gone.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	c := s.enter()
	if c == nil {
		http.Error(w, "server is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.forget(c)
	out := writer{w: w, http: http.NewResponseController(w), timeout: s.cfg.WriteTimeout}
	switch r.Header.Get("Accept") {
	case inParts:
		out.parts = true
		w.Header().Set("Content-Type", inParts+"; boundary="+boundary)
	default:
		w.Header().Set("Content-Type", eventStream)
	}
	w.Header().Set("Cache-Control", "no-store")
	if out.begin() != nil || out.write(encode(envelope{Type: "open", Session: c.id})) != nil {
		return
	}
	beat := time.NewTicker(s.cfg.PingInterval)
	defer beat.Stop()
	for {
		var err error
		select {
		case text := <-c.queue:
			err = out.write(text)
		case <-beat.C:
			err = out.write(encode(envelope{Type: "ping"}))
		case why := <-c.bye:
			for more := true; more && err == nil; {
				select {
				case text := <-c.queue:
					err = out.write(text)
				default:
					more = false
				}
			}
			out.write(encode(envelope{Type: "bye", Error: why}))
			return
		case <-c.full:
			return
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// writer writes messages as one of the forms.
type writer struct {
	w       io.Writer
	http    *http.ResponseController
	timeout time.Duration
	parts   bool
}

// begin writes what comes before the first message.
func (o writer) begin() error {
	if o.parts {
		_, err := io.WriteString(o.w, "--"+boundary+"\r\n")
		return err
	}
	return nil
}

// write writes a message. A part has ended only when the next boundary is
// there, so that follows at once.
func (o writer) write(text []byte) error {
	form := "data: %s\n\n"
	if o.parts {
		form = "Content-Type: application/json\r\n\r\n%s\r\n--" + boundary + "\r\n"
	}
	o.http.SetWriteDeadline(time.Now().Add(o.timeout))
	if _, err := fmt.Fprintf(o.w, form, text); err != nil {
		return err
	}
	return o.http.Flush()
}

// post acts on what a client says. The answer has an error if it was refused.
func (s *server) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.sessions[r.Header.Get(sessionHeader)]
	s.mu.Unlock()
	if c == nil {
		http.Error(w, "no such session", http.StatusNotFound)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.ReadLimit))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		c.tell("message is too big")
		http.Error(w, "message is too big", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the client is gone
	}
	var e envelope
	if err := json.Unmarshal(bytes.TrimSpace(text), &e); err != nil {
		c.tell("not valid JSON")
		http.Error(w, "not valid JSON", http.StatusBadRequest)
		return
	}
	switch problem := s.act(c, e); {
	case problem == unknownType:
		c.tell(problem)
		http.Error(w, problem, http.StatusBadRequest)
	case problem != "":
		w.Write(encode(envelope{Type: "refused", Error: problem}))
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

const unknownType = "unknown type"

// act does what a client asks for, and returns why not.
func (s *server) act(c *session, e envelope) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[c.id] != c {
		return "" // it is gone
	}
	m := e.Data
	switch e.Type {
	case "join", "leave":
		if m.Room == "" {
			return "room name is empty"
		}
		if e.Type == "leave" {
			delete(s.rooms[m.Room], c)
			return ""
		}
		if s.rooms[m.Room] == nil {
			s.rooms[m.Room] = make(map[*session]bool)
		}
		s.rooms[m.Room][c] = true
		if m.Body == "" {
			return ""
		}
		text := encode(envelope{Type: "joined", Data: m})
		for other := range s.rooms[m.Room] {
			if other != c {
				other.send(text)
			}
		}
	case "chat":
		text := encode(envelope{Type: "chat", Data: m})
		for other := range s.rooms[m.Room] {
			other.send(text)
		}
	case "announce":
		m.Room = ""
		text := encode(envelope{Type: "announce", Data: m})
		for _, other := range s.sessions {
			other.send(text)
		}
	default:
		return unknownType
	}
	return ""
}
