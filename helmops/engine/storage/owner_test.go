package storage

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/helmops/plan"
)

var (
	mine   = plan.Owner{Namespace: "apps", Name: "web", UID: "1"}
	theirs = plan.Owner{Namespace: "team", Name: "shop", UID: "2"}
)

func (s *server) driverOf(t *testing.T, store *Store, owner plan.Owner) *Driver {
	t.Helper()
	return store.Driver(t.Context(), s.reader(t, alice), web, Note{ChartDigest: digest1, Owner: owner})
}

func TestARecordNamesItsOwner(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, s.driverOf(t, s.store(t), mine).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	for name, store := range map[string]*Store{"listed": s.store(t), "watched": s.watching(t)} {
		newest, err := store.Newest(t.Context(), s.reader(t, bob), web)
		must(t, err)
		if from := s.history(t, store, alice)[0]; from.Owner != mine || newest.Owner != mine {
			t.Errorf("%s: the note says %+v, the content %+v", name, from.Owner, newest.Owner)
		}
	}
	// What an action writes, it writes for its own owner.
	must(t, s.driverOf(t, s.store(t), theirs).Update(keyOf(1), newRelease(1, release.StatusSuperseded)))
	if got := s.history(t, s.store(t), alice)[0].Owner; got != theirs {
		t.Errorf("after an update for another owner it is %+v", got)
	}
	must(t, s.driverOf(t, s.store(t), plan.Owner{}).Update(keyOf(1), newRelease(1, release.StatusFailed)))
	if got := s.history(t, s.store(t), alice)[0].Owner; got != theirs {
		t.Errorf("after an update for nobody it is %+v", got)
	}
	// Another Helm client drops it with everything else that Fairlead notes.
	must(t, s.helm(t).Update(keyOf(1), newRelease(1, release.StatusDeployed)))
	if got := s.history(t, s.store(t), alice)[0]; !got.Owner.IsZero() || got.Ours {
		t.Errorf("after an update by helm it is %+v", got.Owner)
	}
}

func TestALargeNoteKeepsTheOwner(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	large := newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Chart.Metadata.AppVersion = strings.Repeat("9", 2*maxNote)
	})
	must(t, s.driverOf(t, s.store(t), mine).Create(keyOf(1), large))
	if got := s.history(t, s.watching(t), alice)[0]; got.Owner != mine || !got.Ours {
		t.Errorf("%+v", got)
	}
}

func TestWhatNamesNoOwner(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "apps/web", "no name": `{"namespace":"apps","uid":"1"}`,
		"no namespace": `{"name":"web","uid":"1"}`,
		"too long":     `{"namespace":"apps","name":"` + strings.Repeat("w", maxOwner) + `"}`,
	} {
		if got := parseOwner(text); !got.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := parseOwner(ownerText(mine)); got != mine {
		t.Errorf("read back as %+v", got)
	}
}

// A claim changes nothing but the owner, makes no revision, is no news to those who watch, and leaves looks free of
// requests.
func TestClaim(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*testing.T, *server){
		"of a record of helm": func(t *testing.T, s *server) {
			t.Helper()
			must(t, s.helm(t).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
		},
		"of a record that names no owner": func(t *testing.T, s *server) {
			t.Helper()
			s.create(t, s.store(t), newRelease(1, release.StatusDeployed))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			write(t, s)
			store := s.watching(t)
			told := make(chan struct{}, 9)
			store.Subscribe(func(_, _ string) { told <- struct{}{} })
			before := s.history(t, store, alice)[0]
			secret := s.secret(t, keyOf(1))
			s.asked(alice)

			must(t, store.Claim(t.Context(), s.reader(t, alice), web, before, mine))
			if diff := cmp.Diff([]string{"get " + keyOf(1), "update " + keyOf(1)}, s.asked(alice)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			want := before
			want.Owner = mine
			for range 2 {
				if diff := cmp.Diff([]plan.Record{want}, s.history(t, store, alice)); diff != "" {
					t.Errorf("history (-want +got):\n%s", diff)
				}
			}
			if asked := s.asked(alice); len(asked) > 0 || len(told) > 0 {
				t.Errorf("the next looks ask for %v, and %d news were told", asked, len(told))
			}
			claimed := s.secret(t, keyOf(1))
			delete(claimed.Annotations, OwnerAnnotation)
			if diff := cmp.Diff(secret.Data, claimed.Data) + cmp.Diff(secret.Labels, claimed.Labels) +
				cmp.Diff(len(secret.Annotations), len(claimed.Annotations)); diff != "" {
				t.Errorf("the claim changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestAClaimIsForWhatWasDecidedOn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, s.driverOf(t, s.store(t), plan.Owner{}).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	store := s.store(t)
	before := s.history(t, store, alice)[0]
	must(t, store.Claim(t.Context(), s.reader(t, alice), web, before, mine))
	if err := store.Claim(t.Context(), s.reader(t, alice), web, before, theirs); !errors.Is(err, ErrModified) {
		t.Errorf("claimed a second time: %v", err)
	}
	if got := s.history(t, store, alice)[0].Owner; got != mine {
		t.Errorf("the owner is %+v", got)
	}
	watching := s.watching(t)
	known := s.history(t, watching, alice)[0]
	s.hold(true) // the watch has not reported the change yet
	s.change(t, keyOf(1), func(secret *corev1.Secret) { secret.Annotations[OwnerAnnotation] = ownerText(theirs) })
	if err := watching.Claim(t.Context(), s.reader(t, alice), web, known, mine); !errors.Is(err, ErrModified) {
		t.Errorf("claimed over a change: %v", err)
	}
	s.hold(false)
}
