// Experiment proves the instrument: it measures what is known beforehand, and
// says whether the harness finds it.
//
//	experiment aa        a server against itself: how often the rule sees a difference that is not there
//	experiment ab        a server against itself with 10 % more CPU: how often the rule sees it
//	experiment stall     a server that is paused for a second: what share of the messages counts as late
//	experiment delay     a relay that delays and stamps: whether the reported latencies agree with its record
//	experiment receive   what receiving costs, beside an epoll receiver with a hand parser
//	experiment warmup    whether twice the warm-up changes a figure
//	experiment idle      10,000 idle connections: how many are lost, and what one costs at either end
//	experiment lateness  how late the sender is on an idle system
//	experiment check     compare check against changes that are known: how often it is wrong, and how often it finds them
//	experiment summary DIR
//
// The flags of each, with their defaults: experiment NAME -h. An experiment
// prints a summary on standard output and progress on standard error, and keeps
// both its data and the summary in a folder (-out DIR, default
// results/local/NAME-TIME):
//
//   - data.jsonl has a line of JSON for everything that was measured: first the
//     settings, the seed, the environment and the command line, then each cell
//     as soon as it is finished, and at the end whether it was the end. Ctrl-C
//     keeps what is there. Distributions are kept by stall alone.
//   - summary.md is made from data.jsonl and from nothing else; summary makes it
//     again, with the rules of the program that is run.
//
// The exit status is 0 if every bar was reached, 1 if one was missed or
// something went wrong, 2 after a wrong use.
//
// # A server against itself
//
// aa measures two copies of one stack in pairs, each in fresh processes, which
// of the two comes first being left to a coin. So many pairs are a trial, which
// is judged as any two stacks are (see [wsvsio/internal/stats.Rule]): every difference
// that it finds is false. The summary judges the same pairs by other rules, and
// in trials of another length, so that the rule can be chosen by them. Once it
// is chosen the share of false differences in server CPU per message may be at
// most 5 %, of at least 200 trials:
//
//	experiment aa -trials 200 -pairs 8
//
// ab is the same with one side made slower by a known amount: before each
// message that leaves for a client the server runs a loop (see
// [wsvsio/internal/slow]). How many iterations make 10 % is found out first, in
// the very case, and recorded; what the slowdown really was follows from all
// trials together. The rule must find it in at least 80 % of 50 trials:
//
//	experiment ab -trials 50 -pairs 20
//
// The slowdown can be set instead, to that of an earlier record:
//
//	experiment ab -iterations 640
//
// # A server that stops
//
// stall pauses the server for one second of ten. A tenth of the messages are
// due meanwhile, and those of the first 0.9 s are answered more than 100 ms
// after they were due: 9 to 10 % must be. Beside it stands what the
// same server does to clients that send their next message only when the last
// one has come back, as many clients of this kind do: they leave out the
// messages that would have been late.
//
//	experiment stall -stack rawws,sio,floor
//
// # A relay that delays
//
// delay has the load go through a relay that keeps everything for a while and
// stamps it as it comes and goes. The latencies that the load generator reports
// must agree with the relay's record within 0.3 ms, at p50 and at p99 (see
// [wsvsio/internal/reference.Delay]).
//
//	experiment delay -stack rawws,sio,floor -up 2ms -down 3ms
//
// # Warm-up
//
// warmup measures with W, 2 W and 4 W deliveries before the window, for several
// W, in an order left to chance. A warm-up is long enough if to double it, and
// to double any longer one, is called no difference by the rule.
//
//	experiment warmup -stack rawws,sio,floor,rawws-node,sio-node -rounds 10
//
// # What the harness costs
//
// idle opens connections that say nothing but what the heartbeat needs, and keeps
// them for 30 s; no one may be lost, and the load generator may use at most 8 kB
// for each. lateness sends 200 messages a second
// to a server with one client and looks at when they leave: at most 0.1 ms after
// they are due at the median, 1.5 ms at p99.
//
//	experiment idle -clients 10000
//	experiment lateness
//
// receive compares what a frame costs the load generator with what it costs a
// receiver that does the least that one can, at 20,000 and at 100,000 frames a
// second, and the codecs with each other (see [wsvsio/internal/reference.Receive]): at most
// 1.30x and 1.05x, median of 20 pairs, without what both spend on waiting for
// their due times awake; the ratio with it stands beside. The sides must have
// read and acknowledged as often: that is most of the cost.
//
//	experiment receive
//
// # Does compare check find what it must, and nothing else
//
// check runs compare check itself, as a user does, in a clone of this repository in a
// temporary folder: against HEAD, where all that is found is a false alarm, in at
// most 1 of 50 trials, and at most 20 % of the answers may be inconclusive; against
// a commit whose rawws uses 10 % or 20 % less CPU per message than the head, which
// must be found in 70 % and 95 % of 20 trials, in the case steady, in which the
// slowdown is that large (at saturation the same work would be most of a message's
// CPU); and against heads that allocate once more or send one more byte for each
// message, which must be found every time.
//
//	experiment check -trials 50 -slow-trials 20 -exact-trials 20
//
// What is checked is HEAD, so that a tree with changes is refused. All of it takes
// some hours: a trial against HEAD is a whole check of the broadcast scenario, some
// four minutes. One that was interrupted is gone on with, on the same commit, machine
// and versions as before, and the summary says when:
//
//	experiment check -continue results/local/check-20261127-101500
package main
