// Package stacktest is the one suite that every stack passes: the rules of the
// chat, each with a case that returns an error when it is broken.
//
// Run runs it as a test. Transcript plays one fixed script, whose text is the
// same on every stack. Local is an environment inside the test's own process,
// so that a chat runs the suite under the race detector:
//
//	func TestSuite(t *testing.T) {
//		stacktest.Run(t, stacktest.Local(NewServer, Dial), stack)
//	}
//
// What must not happen is never waited for. A later message takes the same way
// through the server, as a marker, and nothing else may have come before it.
package stacktest
