package drift

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"fairlead.dev/fairlead/api/v1beta1"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func TestStatus(t *testing.T) {
	t.Parallel()
	o := Object{Kind: "Deployment", Group: "apps", Namespace: "shop", Name: "web", Note: strings.Repeat("é", maxNote)}
	for i := range 13 {
		o.Fields = append(o.Fields,
			Field{Path: fmt.Sprintf(".a%d", i), Change: v1beta1.DriftChanged, Was: "was", Wants: "wants"})
	}
	o.Fields[0].Manager, o.Fields[0].Since = "kubectl-edit", noon
	got := o.Status()
	if len(got.Fields) != 10 || got.More != 3 || len(got.Note) > maxNote || !utf8.ValidString(got.Note) {
		t.Errorf("%d fields, %d more, a note of %d bytes", len(got.Fields), got.More, len(got.Note))
	}
	if first := got.Fields[0]; first.Manager != "kubectl-edit" || !first.Since.Time.Equal(noon) ||
		got.Fields[1].Since != nil {
		t.Errorf("got %+v", got.Fields[:2])
	}
	if text := fmt.Sprint(got); strings.Contains(text, "wants") {
		t.Errorf("a value is kept: %s", text)
	}
	if o.String() != "Deployment shop/web" || (Object{Kind: "Namespace", Name: "shop"}).String() != "Namespace shop" {
		t.Errorf("it is called %s", o)
	}
	for _, tt := range []struct {
		object Object
		want   bool
	}{
		{Object{}, false}, {Object{Missing: true}, true}, {Object{Note: "because"}, true},
		{Object{Fields: []Field{{Change: v1beta1.DriftAdded}}}, false},
		{Object{Fields: []Field{{Change: v1beta1.DriftAdded}, {Change: v1beta1.DriftRemoved}}}, true},
	} {
		if got := tt.object.Drifted(); got != tt.want {
			t.Errorf("%+v: %v", tt.object, got)
		}
	}
}

func TestFights(t *testing.T) {
	t.Parallel()
	var f ConflictTracker
	if _, _, is := f.Conflicting("a", noon); is {
		t.Error("nothing was corrected yet")
	}
	for i := range 5 {
		f.Corrected("a", "hpa", noon.Add(time.Duration(i)*time.Minute))
	}
	f.Corrected("b", "", noon)
	if _, _, is := f.Conflicting("a", noon.Add(4*time.Minute)); is {
		t.Error("five corrections are no fight")
	}
	f.Corrected("a", "", noon.Add(5*time.Minute))
	manager, until, is := f.Conflicting("a", noon.Add(5*time.Minute))
	if !is || manager != "hpa" || !until.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("six are: %s, %s, %v", manager, until, is)
	}
	if _, _, is := f.Conflicting("b", noon.Add(5*time.Minute)); is {
		t.Error("another object is fought over")
	}
	if _, _, is := f.Conflicting("a", until); is {
		t.Error("the fight does not end")
	}
	f.Corrected("a", "hpa", until)
	if _, _, is := f.Conflicting("a", until); is {
		t.Error("the count does not begin anew after a fight")
	}
}

func TestSlowCorrectionsAreNoFight(t *testing.T) {
	t.Parallel()
	var f ConflictTracker
	for i := range 50 {
		now := noon.Add(time.Duration(i) * 2 * time.Minute)
		f.Corrected("a", "x", now)
		if _, _, is := f.Conflicting("a", now); is {
			t.Fatalf("correction %d is a fight", i)
		}
	}
}

func TestFightsAreForgotten(t *testing.T) {
	t.Parallel()
	var f ConflictTracker
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range maxFights / 2 {
				f.Corrected(fmt.Sprint(i, "/", n), "x", noon.Add(time.Duration(n)))
				f.Conflicting("a", noon)
			}
		})
	}
	group.Wait()
	if len(f.of) > maxFights {
		t.Errorf("%d objects are remembered", len(f.of))
	}
	f.Corrected("late", "x", noon.Add(time.Hour))
	if len(f.of) != 1 {
		t.Errorf("%d objects are remembered after an hour", len(f.of))
	}
}
