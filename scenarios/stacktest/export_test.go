package stacktest

// What the tests look at without a *testing.T that fails.
var (
	Judge        = judge
	CheckKnown   = checkKnown
	Compare      = compare
	TranscriptOf = transcript
	ErrSetUp     = errSetUp
	Refuses      = refuses
)
