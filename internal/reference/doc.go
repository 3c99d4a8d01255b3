// Package reference checks the instrument against others: the latencies of the
// load generator against the record of a relay that shares nothing with it, and
// its own cost against the least that it takes to receive, by a receiver that
// shares with it how both wait for their due times, and nothing else.
package reference
