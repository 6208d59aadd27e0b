package fair

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// answers are those of one window.
type answers struct {
	took             time.Duration
	count            int
	refused, waiting bool
}

const ms = time.Millisecond

func TestPaceFollowsTheServer(t *testing.T) {
	t.Parallel()
	fast := answers{took: 2 * ms, count: 100, waiting: true}
	slow := answers{took: 3000 * ms, count: 100}
	refused := answers{took: ms, count: 30, refused: true}
	tests := map[string]struct {
		windows []answers
		want    int
	}{
		"nothing":                                {nil, 16},
		"fast, and work waits":                   {[]answers{fast}, 17},
		"fast for long":                          {repeated(fast, 50), 32},
		"fast, and nothing waits":                {repeated(answers{took: 2 * ms, count: 100}, 10), 16},
		"few answers tell nothing":               {repeated(answers{took: 900 * ms, count: 2, waiting: true}, 5), 16},
		"slower than before":                     {[]answers{fast, {took: 300 * ms, count: 100, waiting: true}}, 15},
		"slower, but quick":                      {[]answers{fast, {took: 40 * ms, count: 100, waiting: true}}, 17},
		"slower for long":                        {append(repeated(fast, 2), repeated(slow, 20)...), 6},
		"always slow":                            {repeated(answers{took: 300 * ms, count: 100, waiting: true}, 2), 18},
		"a few slow answers among many":          {[]answers{fast, {took: 2 * ms, count: 100}, fast}, 18},
		"too many requests":                      {[]answers{{took: ms, count: 30, refused: true, waiting: true}}, 11},
		"one refusal among few answers is heard": {[]answers{{took: ms, count: 1, refused: true}}, 11},
		"too many requests for long":             {repeated(refused, 20), 6},
		"recovers":                               {append(repeated(refused, 20), repeated(fast, 3)...), 9},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, at := NewPace(16, 6, 32), noon
			for _, w := range tt.windows {
				for i := range w.count {
					p.Answered(w.took, w.refused, w.waiting, at.Add(time.Duration(i)*window/time.Duration(w.count)))
				}
				at = at.Add(window)
				p.Answered(w.took, w.refused, w.waiting, at) // the window ends
			}
			if p.Limit() != tt.want {
				t.Errorf("limit %d, want %d", p.Limit(), tt.want)
			}
		})
	}
}

func repeated(a answers, times int) []answers {
	out := make([]answers, times)
	for i := range out {
		out[i] = a
	}
	return out
}

// The median decides: a tenant whose requests take long, because of an admission webhook for example, slows no other
// tenant down.
func TestPaceIgnoresAMinorityOfSlowAnswers(t *testing.T) {
	t.Parallel()
	p, at := NewPace(16, 6, 32), noon
	for i := range 10_000 {
		took := 2 * ms
		if i > 1000 && i%3 == 0 { // first it is known how fast the server can be
			took = 10 * time.Second
		}
		at = at.Add(10 * ms)
		p.Answered(took, false, true, at)
	}
	if p.Limit() != 32 {
		t.Errorf("limit %d", p.Limit())
	}
}

func TestPaceForgetsHowFastAServerWasOnce(t *testing.T) {
	t.Parallel()
	p, at := NewPace(16, 6, 32), noon
	feed := func(took time.Duration, windows int) {
		for range windows * 100 {
			at = at.Add(window / 100)
			p.Answered(took, false, true, at)
		}
	}
	feed(10*ms, 5)
	feed(100*ms, 20)
	slowed := p.Limit()
	feed(100*ms, 1000)
	if slowed != 6 || p.Limit() != 32 {
		t.Errorf("limit %d after a while, %d after long", slowed, p.Limit())
	}
}
