package plan

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/seed"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// toyHelm is a release that does what plans say, in memory, and fails on script.
type toyHelm struct {
	clock    time.Time
	records  []Record
	attempt  Attempt
	failures int // how many of the next actions fail
	log      strings.Builder
}

func (h *toyHelm) observe() Observed {
	o := observed(h.records...)
	o.Attempt = h.attempt
	return o
}

// settle decides and acts until there is nothing left to do, letting time pass where the plan says so.
func (h *toyHelm) settle(t *testing.T, d Desired) {
	t.Helper()
	asked := false
	for range 50 {
		o := h.observe()
		if !asked {
			o.History = nil
		}
		p := Decide(d, o, h.clock)
		if p.Reason == "" {
			t.Fatalf("a plan without a reason: %+v", p)
		}
		fmt.Fprintf(&h.log, "%s  %s: %s\n", h.clock.Format(time.TimeOnly), p.Step, p.Message)
		switch p.Step {
		case Need:
			asked = true
		case None:
			return
		case Wait:
			if p.After == 0 {
				return
			}
			h.clock = h.clock.Add(p.After)
		default:
			h.act(d, p)
			asked = false
		}
	}
	t.Fatalf("no end in 50 steps:\n%s", h.log.String())
}

func (h *toyHelm) act(d Desired, p Plan) {
	h.clock = h.clock.Add(time.Second)
	switch p.Step {
	case Unlock:
		h.records[0].Status = StatusFailed
		return
	case Resume:
		h.records[0].Status = StatusDeployed
		return
	case Uninstall:
		h.records = nil
		return
	default:
	}
	if h.attempt.Generation != d.Generation || h.attempt.ChartDigest != d.Chart.Digest || h.attempt.ConfigDigest != d.ConfigDigest {
		h.attempt.Failures = 0
	}
	h.attempt = Attempt{Generation: d.Generation, ChartDigest: d.Chart.Digest, ConfigDigest: d.ConfigDigest, Failures: h.attempt.Failures, At: h.clock}
	next := record(len(h.records)+1, StatusDeployed, d.Chart, func(r *Record) { r.ConfigDigest, r.Modified = d.ConfigDigest, h.clock })
	if h.failures > 0 {
		h.failures--
		h.attempt.Failures++
		next.Status = StatusFailed
	} else {
		h.attempt.Failures = 0
		for i := range h.records {
			if h.records[i].Status == StatusDeployed {
				h.records[i].Status = StatusSuperseded
			}
		}
	}
	h.records = append([]Record{next}, h.records...)
}

func (h *toyHelm) say(format string, args ...any) { fmt.Fprintf(&h.log, "--- "+format+"\n", args...) }

func TestSequences(t *testing.T) {
	sequences := map[string]func(*testing.T, *toyHelm){
		"install, upgrade, delete": func(t *testing.T, h *toyHelm) {
			t.Helper()
			h.settle(t, desired())
			h.say("version 1.1.0 is published")
			h.settle(t, desired(func(d *Desired) { d.Chart = chart2 }))
			h.say("the object is deleted")
			h.settle(t, desired(func(d *Desired) { d.Chart, d.Deleting, d.Generation = chart2, true, 2 }))
		},
		"the first install fails twice": func(t *testing.T, h *toyHelm) {
			h.failures = 2
			h.settle(t, desired())
		},
		"an upgrade keeps failing until a fix is published": func(t *testing.T, h *toyHelm) {
			h.settle(t, desired())
			h.say("version 1.1.0 is published, and is broken")
			h.failures = 1
			p := Decide(desired(func(d *Desired) { d.Chart = chart2 }), h.observe(), h.clock)
			h.act(desired(func(d *Desired) { d.Chart = chart2 }), p)
			h.say("version 1.1.1 is published a moment later")
			h.settle(t, desired(func(d *Desired) { d.Chart = v1beta1.ChartRevision{Name: "web", Version: "1.1.1", Digest: "sha256:3"} }))
		},
		"the controller is killed in the middle of an upgrade": func(t *testing.T, h *toyHelm) {
			h.settle(t, desired())
			h.say("killed after the pending record was written")
			h.records = append([]Record{record(2, StatusPendingUpgrade, chart2)}, h.records...)
			h.settle(t, desired(func(d *Desired) { d.Chart = chart2 }))
		},
		"somebody runs helm upgrade by hand at the same time": func(t *testing.T, h *toyHelm) {
			h.settle(t, desired())
			h.say("helm upgrade begins and never ends")
			h.records = append([]Record{record(2, StatusPendingUpgrade, chart2, foreign, func(r *Record) { r.Modified = h.clock })}, h.records...)
			h.settle(t, desired())
		},
	}
	for name, play := range sequences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &toyHelm{clock: now}
			play(t, h)
			file := filepath.Join("testdata", "sequences", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(h.log.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), h.log.String()); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever fails and whenever the process dies, the release ends as it is wanted.
func TestRandomFailuresConverge(t *testing.T) {
	for _, seed := range seed.Numbers(t, 200) {
		random := rand.New(rand.NewPCG(seed, 1))
		h := &toyHelm{clock: now}
		var d Desired
		for i := range 5 {
			d = desired(func(d *Desired) {
				d.Generation = int64(i + 1)
				d.ConfigDigest = fmt.Sprintf("sha256:%d", random.IntN(3))
				if random.IntN(2) == 0 {
					d.Chart = chart2
				}
			})
			h.failures = random.IntN(4)
			if random.IntN(3) == 0 {
				h.records = append([]Record{record(len(h.records)+1, StatusPendingUpgrade, d.Chart)}, h.records...)
			}
			h.settle(t, d)
		}
		newest := h.records[0]
		if newest.Status != StatusDeployed || newest.Chart.Digest != d.Chart.Digest || newest.ConfigDigest != d.ConfigDigest {
			t.Fatalf("seed %d ends with %+v, want %+v:\n%s", seed, newest, d, h.log.String())
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add(uint8(0), "deployed", "1.0.0", int64(0), true)
	f.Add(uint8(255), "pending-upgrade", "not a version", int64(-5), false)
	f.Fuzz(func(t *testing.T, bits uint8, status, version string, failures int64, ours bool) {
		d := desired(func(d *Desired) {
			d.Deleting, d.Suspended, d.Retry = bits&1 != 0, bits&2 != 0, bits&4 != 0
			d.FromRange, d.VersionOnly = bits&8 != 0, bits&16 != 0
		})
		o := attempt(observed(record(1, status, v1beta1.ChartRevision{Name: "web", Version: version}, func(r *Record) { r.Ours = ours })),
			Attempt{Failures: failures, Stalled: bits&32 != 0, At: now})
		d.Force, d.Orphan, d.InPlace, d.NamespaceTerminating = failures%2 == 0, failures%3 == 0, failures%5 == 0, failures%7 == 0
		d.Upgrade = Policy{Default: failures%11 == 0, Remediates: bits&4 == 0, Uninstalls: bits&1 == 0, LastToo: ours, Retries: int(failures % 3)}
		d.Tests.Enabled = bits&2 == 0
		o.History.Records[0].Tests = []TestRun{{Name: "a", Phase: version}}
		o.Attempt.UpgradeFailures, o.Recorded = failures, int(bits)%2
		living := other
		o.Owner = &living
		if failures%13 == 0 {
			o.Managed, o.History.Records[0].Owner = ours, other
		}
		if bits&64 != 0 {
			o.Moved = &Target{Name: "old"}
		}
		if bits&128 != 0 {
			o.History = nil
		}
		first, second := Decide(d, o, now), Decide(d, o, now)
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("the same input gives %+v and %+v", first, second)
		}
		if first.Reason == "" || first.Step == "" || first.After < 0 {
			t.Fatalf("incomplete plan %+v", first)
		}
		if d.Deleting && d.Orphan && first.Acts() {
			t.Fatalf("a release that is left behind is changed: %+v", first)
		}
		if first.Step == Rollback && (first.To <= 0 || first.To == o.History.Records[0].Version && o.History.Records[0].Status == StatusFailed) {
			t.Fatalf("a rollback to what failed: %+v", first)
		}
		if failures%13 == 0 && status != StatusUninstalled && first.Acts() {
			t.Fatalf("the release of another HelmRelease is changed: %+v", first)
		}
		if d.Suspended && first.Acts() {
			t.Fatalf("a suspended release is changed: %+v", first)
		}
	})
}
