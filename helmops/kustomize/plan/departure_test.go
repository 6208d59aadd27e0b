package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// deletedAgo is a Kustomization that was deleted so long ago.
func deletedAgo(ago time.Duration) Desired {
	d := wanted
	d.DeletedAt = now.Add(-ago)
	return d
}

// departing is what is known of one that is being deleted.
func departing(changes ...func(*Observed)) Observed {
	o := Observed{Inventory: 2, Identity: &Identity{}, Takers: &Takers{}}
	o.Attempt = Attempt{Digest: "d1", Applied: "d1", At: now.Add(-time.Hour)}
	return with(o, changes...)
}

func departureFails(ago time.Duration) func(*Observed) {
	return func(o *Observed) { o.Attempt = Attempt{Digest: Departure, Failures: 2, At: now.Add(-ago)} }
}

func missing(message string) func(*Observed) {
	return func(o *Observed) {
		o.Identity = &Identity{Obstacle: &Obstacle{Reason: v1beta1.AccessDeniedReason, Message: message}}
	}
}

func TestDecideDepartures(t *testing.T) {
	t.Parallel()
	orphans := deletedAgo(0)
	orphans.Leaves = true
	gone := func(o *Observed) { o.Namespace = &Namespace{Terminating: true} }
	stays := func(o *Observed) { o.Namespace = &Namespace{} }
	taker := func(o *Observed) { o.Takers = &Takers{Names: []string{"Kustomization apps/b"}} }
	none := func(o *Observed) { o.Inventory = 0 }
	progress := Plan{Step: Wait, Reason: ReasonUnderway, Progress: true}
	for _, tt := range []decideCase{
		{name: "its objects go", d: deletedAgo(0), o: departing(), want: Plan{Step: Delete, Reason: ReasonDeleted}},
		{
			name: "its objects stay", d: orphans, o: departing(),
			want: Plan{Step: Leave, Reason: ReasonLeft}, words: "2 objects stay",
		},
		{name: "it has no objects", d: deletedAgo(0), o: departing(none), want: Plan{Step: Leave, Reason: ReasonGone}},
		{
			name: "its objects are being deleted", d: deletedAgo(0), o: departing(running(Slow, 1)), want: progress,
			words: "deleting its objects, 2 in all",
		},
		{
			name: "its objects stay once an attempt has ended", d: orphans, o: departing(running(Slow, 1)),
			want:  progress,
			words: "its objects stay in the cluster",
		},
		{
			name: "a failed deletion is tried again", d: deletedAgo(0),
			o:    departing(running(Slow, 1), departureFails(0)),
			want: Plan{Step: Wait, Reason: ReasonUnderway},
		},
		{
			name: "its identity is missing", d: deletedAgo(0), o: departing(missing("no such account"), stays),
			want:  Plan{Step: Wait, Reason: ReasonBlocked, After: strandedLook, Obstacle: &Obstacle{}},
			words: "cannot delete the objects: no such account; to leave them behind, set spec.deletionPolicy to Orphan",
		},
		{
			name: "its identity is missing, and its namespace goes", d: deletedAgo(0),
			o:    departing(missing("no such account"), gone),
			want: Plan{Step: Leave, Reason: ReasonStranded}, words: "the namespace is being deleted",
		},
		{
			name: "deleting failed just now", d: deletedAgo(0), o: departing(departureFails(4 * time.Second)),
			want: backOff(6 * time.Second), words: "in 6s",
		},
		{
			name: "deleting failed a while ago", d: deletedAgo(0), o: departing(departureFails(10 * time.Second)),
			want: Plan{Step: Delete, Reason: ReasonDeleted},
		},
		{
			name: "what was in its way is gone", d: deletedAgo(0), o: departing(departureFails(5*time.Second), isFreed),
			want: Plan{Step: Delete, Reason: ReasonDeleted},
		},
		{
			name: "another one may take its objects", d: deletedAgo(time.Minute), o: departing(taker),
			want:  Plan{Step: Wait, Reason: ReasonHandOver, Progress: true, After: 4 * time.Minute},
			words: "not deleted before Kustomization apps/b has applied the revision, at the latest 2026-03-01T12:04:00Z",
		},
		{
			name: "another one did not take its objects in time", d: deletedAgo(5 * time.Minute), o: departing(taker),
			want: Plan{Step: Delete, Reason: ReasonDeleted},
		},
	} {
		tt.run(t)
	}
}
