package report

import (
	"math"
	"strconv"
	"strings"

	"wsvsio/internal/record"
)

// format returns a value in base units as a reader says it: "61 µs", "268 B".
// Times get two digits, for more is noise; sizes and counts three.
func format(q record.Quantity, v float64) string {
	if v < 0 {
		return "-" + format(q, -v)
	}
	switch q {
	case record.Duration:
		if v == 0 {
			return "0 s"
		}
		return scaled(v*1e9, 2, "ns", "µs", "ms", "s")
	case record.CPU:
		// One unit for all, so that a column can be read at a glance.
		return digits(v*1e6, 2) + " µs"
	case record.Bytes:
		return scaled(v, 3, "B", "kB", "MB", "GB")
	case record.Rate:
		return scaled(v, 3, "/s", "k/s", "M/s", "G/s")
	case record.Share:
		return digits(v*100, 3) + " %"
	}
	return digits(v, 3)
}

// times returns a ratio: "1.07x", "2.4x", "12x". Near one a second decimal
// matters.
func times(r float64) string {
	if r > 0.1 && r < 1.995 {
		return strconv.FormatFloat(r, 'f', 2, 64) + "x"
	}
	return digits(r, 2) + "x"
}

// timesOff returns a ratio that is not one with as many decimals as it takes to
// see that: "1.004x".
func timesOff(r float64) string {
	text := times(r)
	for n := 3; text == times(1) && n <= 6; n++ {
		if off := strconv.FormatFloat(r, 'f', n, 64); strings.Trim(off, "0") != "1." {
			text = off + "x"
		}
	}
	return text
}

// timesSpread returns a range of ratios, both ends to the same precision.
func timesSpread(low, high float64) string {
	if low > 1 && high >= 1.995 {
		return spread(digits(low, 2)+"x", times(high))
	}
	return spread(times(low), times(high))
}

// spread returns the two ends of a range, "24-31 µs", or "" if they print the
// same.
func spread(low, high string) string {
	if low == high {
		return ""
	}
	suffix := func(s string) string {
		return strings.TrimLeft(s, "0123456789.")
	}
	if suffix(low) == suffix(high) {
		low = strings.TrimSuffix(low, suffix(low))
	}
	return low + "-" + high
}

// scaled returns x in the unit, each a thousand of the one before, in which it
// is below a thousand.
func scaled(x float64, n int, units ...string) string {
	i := 0
	for i < len(units)-1 && x >= 999.5 {
		x /= 1000
		i++
	}
	return digits(x, n) + " " + units[i]
}

// digits returns x with n significant digits, or all digits before the point
// if there are more; whole numbers without decimals.
func digits(x float64, n int) string {
	e := strconv.FormatFloat(x, 'e', n-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	switch {
	case exp < -4 && x != 0, exp > 14:
		return e
	case x == math.Trunc(x):
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', max(0, n-1-exp), 64)
}
