package status

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// conditions shows each condition as "Type=Status Reason", but for those that are about live objects and their
// verification.
func conditions(object v1beta1.Conditioned) map[string]string {
	shown := allConditions(object)
	for _, about := range []string{v1beta1.VerifiedCondition, v1beta1.HealthyCondition, v1beta1.DriftedCondition} {
		delete(shown, about)
	}
	return shown
}

func allConditions(object v1beta1.Conditioned) map[string]string {
	shown := map[string]string{}
	for _, c := range object.GetConditions() {
		shown[c.Type] = string(c.Status) + " " + c.Reason
	}
	return shown
}

func TestConditionsReplaceEachOther(t *testing.T) {
	ready := func(hr *v1beta1.HelmRelease) { Ready(hr, "Done", "fine", now) }
	progressing := func(hr *v1beta1.HelmRelease) { Progressing(hr, "working", now) }
	retrying := func(hr *v1beta1.HelmRelease) { Retrying(hr, "Broken", "no luck", now) }
	stalled := func(hr *v1beta1.HelmRelease) { Stalled(hr, "Wrong", "no use", now) }
	tests := []struct {
		name string
		// writes are made one after the other; want is what stands at the end.
		writes []func(*v1beta1.HelmRelease)
		want   map[string]string
	}{
		{name: "ready stands alone", writes: []func(*v1beta1.HelmRelease){ready}, want: map[string]string{"Ready": "True Done"}},
		{name: "ready ends reconciling", writes: []func(*v1beta1.HelmRelease){progressing, ready}, want: map[string]string{"Ready": "True Done"}},
		{name: "ready ends stalled", writes: []func(*v1beta1.HelmRelease){stalled, ready}, want: map[string]string{"Ready": "True Done"}},
		{name: "work under way makes ready unknown", writes: []func(*v1beta1.HelmRelease){ready, progressing},
			want: map[string]string{"Ready": "Unknown Progressing", "Reconciling": "True Progressing"}},
		{name: "work under way ends stalled", writes: []func(*v1beta1.HelmRelease){stalled, progressing},
			want: map[string]string{"Ready": "Unknown Progressing", "Reconciling": "True Progressing"}},
		{name: "a failure that is tried again goes on reconciling", writes: []func(*v1beta1.HelmRelease){stalled, retrying},
			want: map[string]string{"Ready": "False Broken", "Reconciling": "True ProgressingWithRetry"}},
		{name: "a failure for good ends reconciling", writes: []func(*v1beta1.HelmRelease){retrying, stalled},
			want: map[string]string{"Ready": "False Wrong", "Stalled": "True Wrong"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
			for _, write := range tt.writes {
				write(hr)
			}
			if diff := cmp.Diff(tt.want, conditions(hr)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			for _, c := range hr.Status.Conditions {
				if c.ObservedGeneration != 3 || !c.LastTransitionTime.Time.Equal(now) {
					t.Errorf("%s is of generation %d at %s, want 3 at %s", c.Type, c.ObservedGeneration, c.LastTransitionTime, now)
				}
			}
		})
	}
}

func TestTransitionTimeMovesWithTheStatusOnly(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	Retrying(hr, "Broken", "first", now)
	Retrying(hr, "Broken", "second", now.Add(time.Hour))
	if at := hr.Status.Conditions[0].LastTransitionTime; !at.Time.Equal(now) {
		t.Errorf("another message moved the transition to %s", at)
	}
	if Message(hr) != "second" {
		t.Errorf("message = %q, want the newer one", Message(hr))
	}
}

func TestLongMessagesAreCutInTheMiddleAtACharacter(t *testing.T) {
	t.Parallel()
	for shift := range 3 { // so that a cut at a fixed byte hits each part of a three-byte character
		hr := &v1beta1.HelmRelease{}
		Retrying(hr, "Broken", "Deployment web"+strings.Repeat("x", shift)+strings.Repeat("→", maxMessage)+": field is immutable", now)
		got := Message(hr)
		if len(got) > maxMessage || len(got) < maxMessage-8 || !utf8.ValidString(got) || !strings.Contains(got, "→…→") {
			t.Errorf("shift %d: %d bytes, valid %v: %s", shift, len(got), utf8.ValidString(got), got)
		}
		if !strings.HasPrefix(got, "Deployment web") || !strings.HasSuffix(got, ": field is immutable") {
			t.Errorf("shift %d: the object or the cause is lost: %s", shift, got)
		}
	}
	hr := &v1beta1.HelmRelease{}
	whole := strings.Repeat("x", maxMessage)
	Retrying(hr, "Broken", whole, now)
	if Message(hr) != whole {
		t.Error("a message of just the greatest length was cut")
	}
}

func TestIsReadyAsksForTheCurrentGeneration(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	if IsReady(hr) || Message(hr) != "" {
		t.Error("an object without conditions is ready, or has something to say")
	}
	Ready(hr, "Done", "fine", now)
	if !IsReady(hr) {
		t.Error("a ready object is not ready")
	}
	hr.Generation = 2
	if IsReady(hr) {
		t.Error("an object that was changed since is ready")
	}
}

func TestLater(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 5, 0, 0, 0, time.FixedZone("CEST", 2*60*60))
	if got := Later(4*time.Minute, at); got != "4m0s later, at 2026-05-04T03:04:00Z" {
		t.Errorf("%q", got)
	}
}
