package fair

import (
	"slices"
	"sync"
	"time"
)

// Pace decides how much work may be under way at a server, from how it answers: additive increase while it answers as
// fast as it can and work waits, multiplicative decrease when it is slow or says that it has too many requests. It is
// not safe for concurrent use.
type Pace struct {
	least, most int
	step        float64
	limit       float64

	since    time.Time
	samples  []time.Duration
	refused  bool
	waited   bool
	baseline time.Duration // how long an answer takes when the server has little to do
}

const (
	// window is how long answers are collected before the limit changes, and samples how many at the least and the
	// most.
	window      = time.Second
	leastSample = 20
	mostSamples = 1024
	// quick answers are never too slow, independent of the baseline.
	quick = 50 * time.Millisecond
	// busy and overloaded are multiples of the baseline: below the first the limit grows, above the second it shrinks.
	// A server that answers more slowly the more it is asked has enough to do.
	busy, overloaded = 1.5, 6
	// afterSlow and afterRefusal are what is left of the limit.
	afterSlow, afterRefusal = 0.9, 0.7
	// forgets is the part by which the baseline follows slower answers each window: a server can become slower for
	// good.
	forgets = 600
)

// NewPace returns a pace that begins with start and stays between least and most.
func NewPace(start, least, most int) *Pace {
	return &Pace{least: least, most: most, step: max(1, float64(start)/16), limit: float64(start)}
}

// Limit is how much work may be under way.
func (p *Pace) Limit() int { return int(p.limit) }

// Answered takes an answer into account, which took some time or was a refusal because of too many requests. waiting
// is set when work waits for its turn: a limit that is never reached is not raised. It returns whether the limit has
// changed.
func (p *Pace) Answered(took time.Duration, refused, waiting bool, now time.Time) bool {
	if p.since.IsZero() || now.Sub(p.since) > 10*window && len(p.samples) < leastSample {
		p.begin(now) // few answers of a long time do not show how the server is now
	}

	p.waited = p.waited || waiting
	p.refused = p.refused || refused
	if !refused && len(p.samples) < mostSamples {
		p.samples = append(p.samples, took)
	}
	if now.Sub(p.since) < window || len(p.samples) < leastSample && !p.refused {
		return false
	}

	before := p.Limit()
	p.limit = min(max(p.next(), float64(p.least)), float64(p.most))
	p.begin(now)
	return p.Limit() != before
}

func (p *Pace) begin(now time.Time) {
	p.since, p.samples, p.refused, p.waited = now, p.samples[:0], false, false
}

// next is the limit that follows from a window.
func (p *Pace) next() float64 {
	if p.refused {
		return p.limit * afterRefusal
	}

	slices.Sort(p.samples)
	median := p.samples[len(p.samples)/2]
	if p.baseline == 0 || median < p.baseline {
		p.baseline = median
	}

	p.baseline += (median - p.baseline) / forgets
	switch {
	case median > quick && median > overloaded*p.baseline:
		return p.limit * afterSlow
	case p.waited && float64(median) < busy*float64(p.baseline):
		return p.limit + p.step
	default:
		return p.limit
	}
}

// Paced are shares whose number follows a pace. It is safe for concurrent use.
type Paced struct {
	*Shares
	mu   sync.Mutex
	pace *Pace
}

// How many slots there are for each processor, to begin with, at the least and at the most. Nine tenths of the work
// is to wait for answers of the API server.
const (
	startPerProcessor = 8
	leastPerProcessor = 3
	mostPerProcessor  = 16
)

// NewPaced returns shares for a number of processors. A namespace can have three quarters of the slots, and urgent
// work an eighth more than there are at the start.
func NewPaced(processors int) *Paced {
	start := startPerProcessor * processors
	p := &Paced{
		Shares: New(start, maximumOf(start)).Reserve(max(2, start/8)),
		pace:   NewPace(start, leastPerProcessor*processors, mostPerProcessor*processors),
	}
	return p
}

func maximumOf(total int) int { return max(1, total*3/4) }

// Answered takes an answer of the server into account.
func (p *Paced) Answered(took time.Duration, refused bool, now time.Time) {
	_, waiting, _ := p.Count()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pace.Answered(took, refused, waiting > 0, now) {
		limit := p.pace.Limit()
		p.Resize(limit, maximumOf(limit))
	}
}
