package storage

import (
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/helmops/plan"
)

// A record whose name is taken by a release of the same name in another namespace, or by something else, is not there
// for a moment only: the error names what has it, and is not that of a lock.
func TestARecordWhoseNameIsTaken(t *testing.T) {
	t.Parallel()
	elsewhere := func(r *release.Release) { r.Namespace = "elsewhere" }
	for name, says := range map[string]string{
		"by a release in another namespace": "belongs to Helm release elsewhere/web",
		"by no record":                      "is no record of Helm release web",
	} {
		s := newServer(t)
		s.create(t, s.store(t), newRelease(1, release.StatusDeployed, elsewhere))
		if strings.Contains(name, "no record") {
			s.change(t, keyOf(1), func(secret *corev1.Secret) { secret.Labels, secret.Type = nil, corev1.SecretTypeOpaque })
		}

		for _, store := range []*Store{s.store(t), s.watching(t)} {
			err := s.driver(t, store).Create(keyOf(1), newRelease(1, release.StatusPendingInstall))
			var taken *TakenError
			if !errors.As(err, &taken) || errors.Is(err, driver.ErrReleaseExists) || !strings.Contains(err.Error(), says) ||
				!strings.Contains(err.Error(), keyOf(1)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNamesake(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.store(t)
	namesake, err := store.Namesake(t.Context(), s.reader(t, alice), web)
	if err != nil || namesake != nil {
		t.Errorf("nothing is there: %+v, %v", namesake, err)
	}

	s.create(t, store, newRelease(1, release.StatusDeployed, func(r *release.Release) { r.Namespace = "elsewhere" }))
	owner := plan.Owner{Namespace: "team", Name: "shop", UID: "1"}
	s.change(t, keyOf(1), func(secret *corev1.Secret) { secret.Annotations[OwnerAnnotation] = ownerText(owner) })
	namesake, err = store.Namesake(t.Context(), s.reader(t, alice), web)
	if err != nil || namesake == nil || *namesake != (plan.Namesake{Namespace: "elsewhere", Owner: owner}) {
		t.Errorf("%+v, %v", namesake, err)
	}
	if own := s.history(t, store, alice); len(own) > 0 {
		t.Errorf("it counts as a revision of its own: %+v", own)
	}
}
