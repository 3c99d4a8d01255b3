package codesize

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// Library is the state of a library on the day on which it was looked up.
type Library struct {
	Name     string   `json:"name"`
	Language Language `json:"language"`
	Side     Side     `json:"side"`
	Used     string   `json:"used"`     // version that the suite uses
	Released string   `json:"released"` // day of that release

	// Latest is the last stable release, LatestReleased its day; Later are
	// releases that are not stable and newer.
	Latest         string   `json:"latest"`
	LatestReleased string   `json:"latestReleased"`
	Later          []string `json:"later,omitempty"`

	// LastCommit is the day of the newest commit that was found.
	LastCommit string `json:"lastCommit"`

	// Archived is the day on which its repository was archived, "" if it is not.
	Archived string `json:"archived,omitempty"`

	Protocol string   `json:"protocol"` // what it speaks
	Sources  []string `json:"sources"`  // where this was looked up
	LookedUp string   `json:"lookedUp"` // on which day

	// Defects are those that are open and that this suite shows. They are not
	// looked up: the tests that show them fail once they are gone.
	Defects []Defect `json:"defects,omitempty"`
}

// Defect is a defect of a library.
type Defect struct {
	Text  string   `json:"text"`
	Shown []string `json:"shownBy"` // the checks that it makes fail
}

//go:embed libraries.json
var librariesJSON []byte

// Libraries returns the state of the libraries that the two sides use.
func Libraries() []Library {
	var list []Library
	if err := json.Unmarshal(librariesJSON, &list); err != nil {
		// A test reads it, too.
		panic(fmt.Sprintf("libraries.json: %v", err))
	}
	return list
}
