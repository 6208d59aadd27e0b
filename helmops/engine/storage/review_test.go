package storage

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
)

// reviews answers access reviews, and counts them.
type reviews struct {
	allowed bool
	err     error
	asked   []authorizationv1.ResourceAttributes
}

func (r *reviews) Create(
	_ context.Context, asked *authorizationv1.SelfSubjectAccessReview, _ metav1.CreateOptions,
) (*authorizationv1.SelfSubjectAccessReview, error) {
	r.asked = append(r.asked, *asked.Spec.ResourceAttributes)
	if r.err != nil {
		return nil, r.err
	}
	out := asked.DeepCopy()
	out.Status.Allowed = r.allowed
	return out, nil
}

const mallory = "system:serviceaccount:evil:mallory"

// reviewed returns a store that knows one record, and what moves its clock.
func reviewed(t *testing.T, s *server) (*Store, func(time.Duration)) {
	t.Helper()
	s.create(t, s.store(t), newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Info.Description = "what failed was hunter2"
	}))
	client, err := metadata.NewForConfig(s.config("controller"))
	must(t, err)
	at := now
	store := NewStore(client, func() time.Time { return at })
	run(t, store)
	<-store.settled
	return store, func(d time.Duration) { at = at.Add(d) }
}

func (s *server) stranger(t *testing.T, r Reviews) Reader {
	t.Helper()
	return Reader{Secrets: s.secretsAs(t, mallory), As: mallory, Reviews: r}
}

func TestRecordsAreForThoseWhoMayReadThem(t *testing.T) {
	s := newServer(t)
	store, pass := reviewed(t, s)
	asked := &reviews{}
	reader := s.stranger(t, asked)
	for range 3 {
		history, err := store.History(t.Context(), reader, web)
		if !apierrors.IsForbidden(err) || len(history) > 0 {
			t.Fatalf("without the right: %+v, %v", history, err)
		}
		for _, part := range []string{mallory, namespace, "web", "cannot get resource"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not named: %s", part, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "1.0.0") {
			t.Errorf("the error tells of the record: %s", err)
		}
	}
	if _, err := store.One(t.Context(), reader, web, 1); !apierrors.IsForbidden(err) {
		t.Errorf("one record: %v", err)
	}
	want := authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Version: "v1", Resource: "secrets"}
	if len(asked.asked) != 1 || asked.asked[0] != want {
		t.Errorf("asked: %+v", asked.asked)
	}
	asked.allowed = true
	pass(deniedFor)
	history, err := store.History(t.Context(), reader, web)
	if err != nil || len(history) != 1 {
		t.Errorf("with the right: %+v, %v", history, err)
	}
	if got := s.asked(mallory); len(got) > 0 {
		t.Errorf("the records were asked for: %v", got)
	}
}

func TestAReviewCountsForAWhile(t *testing.T) {
	s := newServer(t)
	store, pass := reviewed(t, s)
	asked := &reviews{allowed: true}
	reader := s.stranger(t, asked)
	look := func(want int) {
		t.Helper()
		if _, err := store.History(t.Context(), reader, web); err != nil {
			t.Fatal(err)
		}
		if len(asked.asked) != want {
			t.Errorf("%d reviews, want %d", len(asked.asked), want)
		}
	}
	look(1)
	pass(allowedFor - time.Second)
	look(1)
	pass(time.Second)
	look(2)
	asked.allowed = false
	pass(allowedFor)
	if _, err := store.History(t.Context(), reader, web); !apierrors.IsForbidden(err) {
		t.Errorf("a right that was taken away: %v", err)
	}
	if got := s.asked(mallory); len(got) > 0 {
		t.Errorf("the records were asked for: %v", got)
	}
}

// Who cannot be reviewed reads the records by himself.
func TestWithoutAReviewTheRecordsAreRead(t *testing.T) {
	for name, r := range map[string]Reviews{
		"none":        nil,
		"not allowed": &reviews{err: apierrors.NewForbidden(resource, "", errors.New("no reviews"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			store, _ := reviewed(t, s)
			no := &apierrors.StatusError{
				ErrStatus: metav1.Status{Status: "Failure", Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden},
			}
			if _, err := store.History(t.Context(), s.stranger(t, r), web); err != nil {
				t.Error(err)
			}
			if got := s.asked(mallory); len(got) != 1 || got[0] != "list" {
				t.Errorf("requests: %v", got)
			}
			s.answer("list", mallory, no)
			if history, err := store.History(t.Context(), s.stranger(t, r), web); !apierrors.IsForbidden(err) ||
				len(history) > 0 {
				t.Errorf("%+v, %v", history, err)
			}
		})
	}
	s := newServer(t)
	store, _ := reviewed(t, s)
	if _, err := store.History(t.Context(), s.stranger(t, &reviews{err: errors.New("away")}), web); err == nil ||
		!strings.Contains(err.Error(), "away") {
		t.Errorf("a review that fails: %v", err)
	}
}
