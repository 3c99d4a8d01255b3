// Package regress decides whether a change made something worse.
//
// # What varies from pair to pair
//
// Times and CPU are measured in pairs, both sides back to back, in an order
// left to a coin. A first batch screens: a figure fires if p < [Alpha]
// (Wilcoxon's signed-rank test) and the estimate of the ratio (Hodges–Lehmann)
// is off one by [MinShift] or more. What fired is measured again, in a fresh
// batch, and only what fires again, to the same side, is called worse or
// better. With two dozen figures a run a single test at 5 % raises a false
// alarm in almost half of the runs, the confirmed one in a hundredth.
//
// A figure that did not fire is only as good as what would have been called
// worse. That is taken from the interval of the ratio: the shift at which both
// batches fire four times in five (see [Finds]). Where it is above [MostFinds] the
// figure is too noisy, and if it is a deciding one, so is the answer:
// inconclusive. Latencies do not decide, for on a shared machine they are
// largely the neighbours'; they can fire nevertheless. Before a first batch is judged
// at all, and as long as a deciding figure in it is too noisy, it gets as many pairs
// more as it had at first, up to [Extends] times as many; which side is ahead has no
// part in that (see [TooNoisy]). What decides is CPU per
// message, and how long a client takes to notice and to come back. Where none of
// these is measured the answer is inconclusive if all other pairs are too noisy,
// and wherever something fired whose second batch could not be measured.
//
// # Shares
//
// Of shares, such as that of the clients that came back, the differences are tested
// and not the ratios, by the same rule: p < [Alpha] and [MinShare] or more of a whole
// batch, twice. A head that loses a few and not in enough pairs must not pass for no
// regression: where its share is lower by as much, or was whole in the base, and it is
// not called worse, the answer is inconclusive. A time is that of those who came back
// (see Among of [Unit]): pairs in which their share is not the same on both sides are
// no pairs of it.
//
// # What does not
//
// Bytes and requests are exact where the transport is websocket only: any
// difference is one. Should they vary all the same, they differ if no value of one
// side is among the other's; if only the head's vary the answer is inconclusive,
// for the change may be why. Allocations are nearly exact: they differ if they are
// apart by more than both limits of their [Unit], the absolute and the relative one,
// which are above what a garbage collection in the window adds, by the median of the
// first batch and by that of a fresh one.
package regress
