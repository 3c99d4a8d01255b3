// Package codesize measures the code of the two sides: how much of it there
// is, how hard it is, how much of a library it takes and what that brings
// along.
//
// # What is counted
//
// Every figure means the same in Go and in JavaScript. Neither comments nor
// the layout change one, and a test over both says so.
//
//   - Statements: imports, declarations of types, variables, constants and
//     functions (in a group each line of it), and all else that the grammar
//     calls a statement, at any depth, in the head of a loop, too. Blocks,
//     labels, the cases of a switch and empty statements are none. What a case
//     of a Go select waits for is one. A JavaScript arrow without braces
//     returns a value, which is one.
//   - Tokens: as the scanner of the language finds them, without semicolons
//     and without a comma before a closing bracket, which are layout. A piece
//     of a template string is one token.
//   - Lines: of code, without comments and blanks, with no line broken that
//     need not be. go/printer lays Go out and esbuild JavaScript: physical
//     lines would measure where somebody broke them.
//   - Cyclomatic complexity: summed over the functions, as
//     github.com/fzipp/gocyclo has it: one for each function, and one for each
//     if, loop, case and operator && or ||. A function in another adds what it
//     decides to that. In JavaScript the conditional operator, a catch, ?. and
//     ?? and the assignments &&=, ||= and ??= decide, too.
//   - Cognitive complexity: summed over the functions, as
//     github.com/uudashr/gocognit has it. In JavaScript a catch and the
//     conditional operator count like an if, and ?. and ?? do not, as in the
//     paper that it comes from (G. Ann Campbell, "Cognitive Complexity",
//     SonarSource 2018).
//   - Error paths: places that make an error, and branches that are taken for
//     one. In Go errors.New, errors.Join, fmt.Errorf and panic; an if or case
//     whose condition looks at a value of the type error; recover. In
//     JavaScript throw, new …Error outside of a throw; catch, as a clause and
//     as a method, and a listener to an event whose name ends in "error".
//   - Goroutines: places that start something beside the code that starts it.
//     In Go go, AfterFunc of time and context, WaitGroup.Go. In JavaScript
//     setTimeout, setInterval, setImmediate, queueMicrotask and nextTick.
//   - Locks: calls that lock, of package sync. JavaScript has none.
//   - Waits: places where the code waits for something that runs beside it, or
//     tells it something. In Go what is done with channels (send, receive,
//     close, range) and the other methods of WaitGroup, Once and Cond. In
//     JavaScript await, new Promise and then.
//   - Names: distinct names of libraries that the code uses: package-level
//     names, methods and fields of packages that are neither the standard
//     library's nor this module's. In Go go/types says so. JavaScript has no
//     types, so they are followed through the file instead; see names.go.
//
// # What is by hand
//
// A comment that begins a line at the top level of a file says so for all that
// follows it, to the next such comment or the end of the file:
//
//	// What follows is by hand because …
//	// What follows makes up for …
//
// The first marks what the other side gets from its library, the second what
// only makes up for something missing in go-socket.io. Any other comment that
// begins with "What follows" is an error here: it would be a typo that moves a
// figure.
//
// # Pairs
//
// The files of the two sides stand in pairs. Check holds what that takes: each
// file has a twin, the declarations that both have come in the same order, and
// no line is wider than Width.
package codesize
