package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// issuer issues numbered tokens of an hour, or fails.
type issuer struct {
	clock  *clock
	issued atomic.Int64
	fails  atomic.Bool
}

func (i *issuer) request(context.Context) (Token, error) {
	if i.fails.Load() {
		return Token{}, &TokenError{Account: "apps/deployer", Problem: "away"}
	}
	return Token{Value: fmt.Sprintf("token-%d", i.issued.Add(1)), Expires: i.clock.read().Add(time.Hour)}, nil
}

func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	i := &issuer{clock: newClock()}
	kept := newTokens(i.request, i.clock.read)
	expect := func(when, want string) *heldToken {
		t.Helper()
		held, err := kept.get(t.Context())
		if want == "" {
			var failed *TokenError
			if !errors.As(err, &failed) {
				t.Errorf("%s: got %v, %v", when, held, err)
			}
			return nil
		}
		if err != nil || held.Value != want {
			t.Fatalf("%s: got %v, %v, want %s", when, held, err, want)
		}
		return held
	}
	i.fails.Store(true)
	expect("the API server is away", "")
	i.fails.Store(false)
	expect("it is asked again only after a pause", "")
	i.clock.pass(tokenPause)
	expect("the first", "token-1")
	i.clock.pass(47 * time.Minute)
	expect("before four fifths", "token-1")
	i.clock.pass(time.Minute)
	expect("after four fifths", "token-2")
	i.clock.pass(50 * time.Minute)
	i.fails.Store(true)
	expect("it cannot be renewed, and has not expired", "token-2")
	i.clock.pass(11 * time.Minute)
	expect("it has expired", "")
	i.fails.Store(false)
	i.clock.pass(tokenPause)
	held := expect("it is back", "token-3")
	kept.refuse(held)
	i.clock.pass(tokenPause / 2)
	kept.refuse(expect("a refused token is replaced after a pause", "token-3"))
	i.clock.pass(tokenPause / 2)
	expect("a refused token is replaced", "token-4")
	kept.refuse(held)
	i.clock.pass(tokenPause)
	expect("the refusal of a former token says nothing of this one", "token-4")
}

func TestATokenIsRequestedOnce(t *testing.T) {
	t.Parallel()
	i := &issuer{clock: newClock()}
	kept := newTokens(i.request, i.clock.read)
	done := make(chan string)
	const waiting = 20
	for range waiting {
		go func() {
			held, err := kept.get(context.WithoutCancel(t.Context()))
			if err != nil {
				done <- err.Error()
				return
			}
			done <- held.Value
		}()
	}
	for range waiting {
		if got := <-done; got != "token-1" {
			t.Errorf("got %s", got)
		}
	}
}

// A cluster that is reached by tokens gets them, and brings none into an error.
func TestAClusterIsReachedByTokens(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Code: http.StatusForbidden,
			Reason: metav1.StatusReasonForbidden, Message: "no rights for " + r.Header.Get("Authorization"),
		})
	}))
	t.Cleanup(server.Close)
	content, err := Parameters{Address: server.URL, ServiceAccount: "deployer"}.Kubeconfig("apps")
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(4, time.Minute, time.Now)
	t.Cleanup(pool.Close)
	request := func(context.Context) (Token, error) {
		return Token{Value: canary, Expires: time.Now().Add(time.Hour)}, nil
	}
	made, err := pool.Get(Access{Namespace: "apps", Kubeconfig: content, Token: request})
	if err != nil {
		t.Fatal(err)
	}
	_, err = made.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "a", metav1.GetOptions{})
	if !apierrors.IsForbidden(err) || showsCanary(err.Error()) {
		t.Errorf("error %v", err)
	}
	if got := <-seen; got != "Bearer "+canary {
		t.Errorf("the cluster was sent %q", got)
	}
}

// Without a token no request reaches the cluster, and the error is no answer of that cluster.
func TestNoTokenNoRequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request without a token")
	}))
	t.Cleanup(server.Close)
	content, err := Parameters{Address: server.URL, ServiceAccount: "deployer"}.Kubeconfig("apps")
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(4, time.Minute, time.Now)
	t.Cleanup(pool.Close)
	request := func(context.Context) (Token, error) {
		return Token{}, &TokenError{Account: "apps/deployer", Problem: "it does not exist", Denied: true}
	}
	made, err := pool.Get(Access{Namespace: "apps", Kubeconfig: content, Token: request})
	if err != nil {
		t.Fatal(err)
	}
	_, err = made.Self().Kube().CoreV1().ConfigMaps("apps").Create(t.Context(), nil, metav1.CreateOptions{})
	var failed *TokenError
	if !errors.As(err, &failed) || apierrors.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
}
