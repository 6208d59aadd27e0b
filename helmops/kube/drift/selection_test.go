package drift

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// configMap is an object that is as its release left it.
func configMap(change func(*Observed)) Observed {
	ref := v1beta1.NewResourceRef("apps", "web", "", "ConfigMap", "v1")
	ref.Ownership = "7"
	o := Observed{
		Ref: ref, Kind: "ConfigMap", Namespace: "apps", Name: "web", Watched: true, Exists: true,
		UID: "u", Ownership: "7", Owned: true, Generation: 1, ResourceVersion: 10,
	}
	if change != nil {
		change(&o)
	}
	return o
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		change          func(*Observed)
		compare, inSync bool
	}{
		{name: "as its release left it", inSync: true},
		{name: "another manager took a field", change: func(o *Observed) { o.Ownership = "8" }, compare: true},
		{name: "deleted", change: func(o *Observed) { o.Exists = false }, compare: true},
		{
			name:   "deleted, and absent after the release",
			change: func(o *Observed) { o.Exists, o.Ref.Ownership = false, Absent }, inSync: true,
		},
		{name: "of another release", change: func(o *Observed) { o.Foreign = true }, compare: true},
		{name: "never compared", change: func(o *Observed) { o.Ref.Ownership = "" }, compare: true},
		{name: "excluded", change: func(o *Observed) { o.Ownership, o.Ignored = "8", true }, inSync: true},
		{name: "being deleted", change: func(o *Observed) { o.Ownership, o.Deleting = "8", true }, inSync: true},
		{name: "not watched", change: func(o *Observed) { o.Ownership, o.Watched = "8", false }},
		{name: "without managed fields", change: func(o *Observed) { o.Owned = false }, compare: true},
	} {
		out := NewSelection().Select([]Observed{configMap(tt.change)}, nil)
		if len(out.Compare) == 1 != tt.compare || out.InSync != tt.inSync {
			t.Errorf("%s: %+v", tt.name, out)
		}
	}
}

func TestAnObjectIsComparedOncePerState(t *testing.T) {
	t.Parallel()
	s := NewSelection()
	taken := configMap(func(o *Observed) { o.Ownership = "8" })
	first := s.Select([]Observed{taken}, nil)
	s.Compared(s.States(first.Compare))
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) > 0 || out.InSync {
		t.Errorf("after it was compared: %+v", out)
	}
	taken.ResourceVersion++
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) > 0 {
		t.Errorf("after a change of its status: %+v", out)
	}
	taken.Generation++
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) != 1 {
		t.Errorf("after a further change: %+v", out)
	}
	s.Compared(s.States(first.Compare))
	s.CompareAgain(taken.Ref.ID)
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) != 1 {
		t.Errorf("asked to compare again: %+v", out)
	}
	s.Compared(s.States(first.Compare))
	s.Disable()
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) != 1 {
		t.Errorf("after detection was off: %+v", out)
	}
	s.Compared(s.States(first.Compare))
	s.Select([]Observed{configMap(nil)}, nil) // corrected
	taken.Generation--
	if out := s.Select([]Observed{taken}, nil); len(out.Compare) != 1 {
		t.Errorf("in the same state after a correction: %+v", out)
	}
}

func TestAnAuditComparesAnObjectThatLooksAsBefore(t *testing.T) {
	t.Parallel()
	s := NewSelection()
	o := configMap(nil)
	s.CompareAgain(o.Ref.ID)
	if out := s.Select([]Observed{o}, nil); len(out.Compare) != 1 || out.InSync {
		t.Errorf("%+v", out)
	}
}

func TestAnObjectInConflictIsLeftAlone(t *testing.T) {
	t.Parallel()
	one := configMap(func(o *Observed) { o.Ownership = "8" })
	two := configMap(func(o *Observed) { o.Ownership, o.Name, o.Ref.ID, o.Namespace = "8", "api", "api", "" })
	until := map[string]time.Time{one.Ref.ID: begin.Add(time.Hour), "api": begin.Add(time.Minute)}
	out := NewSelection().Select([]Observed{one, two}, func(ref v1beta1.ResourceRef) (string, time.Time, bool) {
		return "rival", until[ref.ID], true
	})
	c := out.Conflict
	if len(out.Compare) > 0 || out.InSync || len(c.Managers) != 1 || !c.Until.Equal(begin.Add(time.Minute)) {
		t.Errorf("%+v", out)
	}
	if len(c.Objects) != 2 || c.Objects[0] != "ConfigMap apps/web" || c.Objects[1] != "ConfigMap api" {
		t.Errorf("objects %v", c.Objects)
	}
}

func TestAuditsAreSpread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		audited bool
		jitter  float64
		want    time.Duration
	}{
		{name: "the first, the earliest", want: 30 * time.Minute},
		{name: "the first, the latest", jitter: 1, want: time.Hour},
		{name: "a later one, the earliest", audited: true, want: time.Hour},
		{name: "a later one, the latest", audited: true, jitter: 1, want: 66 * time.Minute},
	} {
		s := NewSelection()
		if tt.audited {
			s.Audited()
		}
		jitter := func(d time.Duration, factor float64) time.Duration {
			return d + time.Duration(float64(d)*factor*tt.jitter)
		}
		if got := s.AuditAt(time.Hour, jitter, begin).Sub(begin); got != tt.want {
			t.Errorf("%s: after %s, want %s", tt.name, got, tt.want)
		}
		if got := s.AuditAt(time.Hour, jitter, begin.Add(time.Minute)).Sub(begin); got != tt.want {
			t.Errorf("%s: the time moves to %s", tt.name, got)
		}
	}
	if got := AuditInterval(time.Minute, false); got != MinAuditInterval {
		t.Errorf("watched objects are audited every %s", got)
	}
	if got := AuditInterval(time.Minute, true); got != time.Minute {
		t.Errorf("objects that cannot be watched are audited every %s", got)
	}
}

func TestCorrectable(t *testing.T) {
	t.Parallel()
	added := v1beta1.FieldDrift{Path: ".data.a", Change: v1beta1.DriftAdded}
	changed := v1beta1.FieldDrift{Path: ".data.b", Change: v1beta1.DriftChanged, Manager: "kubectl"}
	for _, tt := range []struct {
		name string
		of   v1beta1.ObjectDrift
		want bool
		by   string
	}{
		{name: "nothing"},
		{name: "missing", of: v1beta1.ObjectDrift{Missing: true}, want: true},
		{name: "only added fields", of: v1beta1.ObjectDrift{Fields: []v1beta1.FieldDrift{added}}},
		{
			name: "a changed field", of: v1beta1.ObjectDrift{Fields: []v1beta1.FieldDrift{added, changed}},
			want: true, by: "kubectl",
		},
	} {
		if got := Correctable(tt.of); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
		if got := ChangedBy(tt.of); got != tt.by {
			t.Errorf("%s: by %q", tt.name, got)
		}
	}
}
