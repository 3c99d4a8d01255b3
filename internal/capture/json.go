package capture

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"unicode/utf8"

	"wsvsio/internal/dissect"
	"wsvsio/internal/record"
)

// The types of the JSON document. Sizes and offsets are in bytes.
type (
	jsonDoc struct {
		Format   int              `json:"format"`
		Captures []jsonCapture    `json:"captures"`
		LeftOut  []record.LeftOut `json:"leftOut,omitempty"`
	}
	jsonCapture struct {
		Stack       string      `json:"stack"`
		About       string      `json:"about"`
		Client      string      `json:"client"`
		Server      string      `json:"server"`
		Protocol    string      `json:"protocol"`
		Transports  []string    `json:"transports"`
		Size        int         `json:"size"` // of the messages' bodies
		Connections int         `json:"connections"`
		Bytes       jsonBytes   `json:"bytes"`
		Counted     jsonBytes   `json:"counted"`          // by the relay behind
		System      *jsonBytes  `json:"system,omitempty"` // TCP_INFO of the same
		Phases      []jsonPhase `json:"phases"`
		Steps       []jsonStep  `json:"steps"`
	}
	jsonBytes struct {
		Up   int64 `json:"up"`
		Down int64 `json:"down"`
	}
	jsonPhase struct {
		Phase    Phase                 `json:"phase"`
		Requests int                   `json:"requests"`
		Bytes    jsonBytes             `json:"bytes"`
		Layers   map[dissect.Layer]int `json:"layers"` // bytes, both ways
	}
	jsonStep struct {
		Number     int         `json:"number"`
		Phase      Phase       `json:"phase"`
		Connection int         `json:"connection"`
		Direction  string      `json:"direction"` // "up" or "down"
		AfterNs    int64       `json:"afterNs"`   // since the first byte of all
		Kind       string      `json:"kind"`
		Title      string      `json:"title"`
		Says       []string    `json:"says,omitempty"`
		Offset     int         `json:"offset"`
		Size       int         `json:"size"`
		Fields     []jsonField `json:"fields"`
	}
	jsonField struct {
		Offset  int           `json:"offset"`
		Size    int           `json:"size"`
		Layer   dissect.Layer `json:"layer"`
		Name    string        `json:"name"`
		Meaning string        `json:"meaning"`
		Ref     string        `json:"ref,omitempty"`
		Hex     string        `json:"hex"`            // as on the wire
		Text    string        `json:"text,omitempty"` // without its mask, if it is text
		Bits    []jsonBit     `json:"bits,omitempty"`
	}
	jsonBit struct {
		Bits    string `json:"bits"` // in the place that they have in the byte: "....0001"
		Name    string `json:"name"`
		Meaning string `json:"meaning"`
	}
)

// JSON writes captures, with every byte.
func JSON(w io.Writer, all []*Capture, leftOut []record.LeftOut) error {
	doc := jsonDoc{Format: 1, LeftOut: leftOut, Captures: []jsonCapture{}}
	for _, c := range all {
		doc.Captures = append(doc.Captures, c.doc())
	}
	data, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func (c *Capture) doc() jsonCapture {
	up, down := c.Bytes()
	d := jsonCapture{
		Stack: c.Stack.Name, About: c.Stack.About,
		Client: c.Stack.Client.String(), Server: c.Stack.Server.String(),
		Protocol: string(c.Stack.Protocol), Transports: c.Stack.Mode.Transports,
		Size: c.Size, Connections: c.Conns,
		Bytes:   jsonBytes{int64(up), int64(down)},
		Counted: jsonBytes{c.Counted.Up, c.Counted.Down},
	}
	if k := c.Counted.Kernel; k.Told {
		d.System = &jsonBytes{k.Up, k.Down}
	}
	for _, p := range Phases {
		up, down := c.Bytes(p)
		if up+down == 0 {
			continue
		}
		j := jsonPhase{Phase: p, Requests: c.Requests(p), Bytes: jsonBytes{int64(up), int64(down)}, Layers: make(map[dissect.Layer]int)}
		for _, l := range dissect.Layers {
			if n := c.Layer(l, p); n > 0 {
				j.Layers[l] = n
			}
		}
		d.Phases = append(d.Phases, j)
	}
	for i, s := range c.Steps {
		j := jsonStep{
			Number: i + 1, Phase: s.Phase, Connection: s.Conn, Direction: arrow(s), AfterNs: int64(s.After),
			Kind: string(s.Kind), Title: s.Title, Offset: s.Offset, Size: s.Size,
		}
		for _, w := range s.Says {
			j.Says = append(j.Says, w.Type)
		}
		for _, f := range s.Fields {
			jf := jsonField{
				Offset: f.Offset, Size: len(f.Raw), Layer: f.Layer, Name: f.Name, Meaning: f.Meaning, Ref: f.Ref,
				Hex: hex.EncodeToString(f.Raw),
			}
			if readable(f) && utf8.Valid(f.Clear) {
				jf.Text = string(f.Clear)
			}
			for k, b := range f.Bits {
				jf.Bits = append(jf.Bits, jsonBit{bits(f, k), b.Name, b.Meaning})
			}
			j.Fields = append(j.Fields, jf)
		}
		d.Steps = append(d.Steps, j)
	}
	return d
}
