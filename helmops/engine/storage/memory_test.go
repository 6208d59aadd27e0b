package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/memory"
	testcheck "fairlead.dev/fairlead/test/check"
)

const mebi = 1 << 20

// remote is a store of a cluster with an account. When the account ends, so does the watch, as in the engine.
type remote struct {
	*Store
	budget *memory.Budget
	ended  chan struct{}
	done   chan struct{}
}

func newRemote(t *testing.T, config *rest.Config) *remote {
	t.Helper()
	client, err := metadata.NewForConfig(config)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	r := &remote{
		budget: memory.New(memory.Bounds{Total: 8 * mebi, Share: 4 * mebi}), ended: make(chan struct{}),
		done: make(chan struct{}),
	}
	account := r.budget.Open("attacker", func(*memory.ExceededError) {
		cancel()
		close(r.ended)
	})
	r.Store = NewStore(client, clock).Within(account)
	r.running = true
	go func() {
		defer close(r.done)
		_ = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

func (r *remote) used() int64 {
	own, _ := r.budget.Used("attacker")
	return own
}

func madeUp(number int64) map[string]any {
	return map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]any{
		"name": fmt.Sprintf("sh.helm.release.v1.made-up.v%d", number), "namespace": namespace, "uid": fmt.Sprint(number),
		"resourceVersion": fmt.Sprint(number + 1),
		"labels":          map[string]string{"owner": "helm", "name": "made-up", "version": fmt.Sprint(number)},
	}}
}

func TestAServerThatMakesUpRecordsIsKeptUpToTheShare(t *testing.T) {
	t.Parallel()
	flood := func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
		for r.Context().Err() == nil {
			if json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": madeUp(sent.Add(1))}) != nil {
				return
			}
		}
	}
	list := func(w http.ResponseWriter, more string, items ...any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
			"metadata": map[string]any{"resourceVersion": "1", "continue": more}, "items": items})
	}
	unprocessable := func(w http.ResponseWriter) {
		send(w, http.StatusUnprocessableEntity, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid})
	}
	for name, says := range map[string]func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64){
		"after the first list": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
			switch {
			case r.URL.Query().Get("sendInitialEvents") != "":
				unprocessable(w)
			case r.URL.Query().Has("watch"):
				flood(w, r, sent)
			default:
				list(w, "")
			}
		},
		"in a first list that is streamed": flood,
		"in pages": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
			if r.URL.Query().Has("watch") {
				unprocessable(w)
				return
			}
			list(w, "more", madeUp(sent.Add(1)))
		},
		"in pages without records": func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			if r.URL.Query().Has("watch") {
				unprocessable(w)
				return
			}
			list(w, "more")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				says(w, r, &sent)
			}))
			t.Cleanup(func() {
				server.CloseClientConnections()
				server.Close()
			})
			store := newRemote(t, &rest.Config{Host: server.URL, QPS: -1})
			for _, ended := range []chan struct{}{store.ended, store.done} {
				select {
				case <-ended:
				case <-time.After(time.Minute):
					t.Fatal("the watch did not end")
				}
			}
			if left := len(store.index.entries); left != 0 || store.used() != 0 {
				t.Errorf("%d releases are left, %d bytes are counted", left, store.used())
			}
		})
	}
}

// What is made and deleted, by us and by others, leaves nothing behind in the account.
func TestTheAccountFollowsTheRecords(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := newRemote(t, s.config("controller"))
	<-store.settled
	s.create(t, store.Store, newRelease(1, release.StatusSuperseded), newRelease(2, release.StatusSuperseded),
		newRelease(3, release.StatusDeployed))
	helm := s.helm(t)
	for version := 4; version < 8; version++ {
		must(t, helm.Create(keyOf(version), newRelease(version, release.StatusFailed)))
	}
	testcheck.Until(t, "all are known", func() bool { return len(s.history(t, store.Store, alice)) == 7 })
	if got := store.used(); got < 7*entryCost {
		t.Errorf("%d bytes are counted of 7 records", got)
	}
	must(t, store.Prune(t.Context(), s.reader(t, alice), web, 1, nil))
	testcheck.Until(t, "what was deleted is gone", func() bool { return len(s.history(t, store.Store, alice)) == 2 })
	for _, version := range []int{3, 7} {
		_, err := helm.Delete(keyOf(version))
		must(t, err)
	}
	store.releases.clear()
	store.facts.clear()
	store.encoder.members.clear()
	testcheck.Until(t, "nothing is counted of nothing", func() bool {
		store.count()
		return store.used() == 0
	})
}

func TestTheHistoryOfAnotherClusterHasABound(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	helm := s.helm(t)
	for version := 1; version <= 3; version++ {
		must(t, helm.Create(keyOf(version), newRelease(version, release.StatusFailed, func(rel *release.Release) {
			rel.Chart.Metadata.AppVersion = strings.Repeat("x", maxHistory/2) // small once it is compressed
		})))
	}
	local := s.watching(t)
	if got := s.history(t, local, alice); len(got) != 3 {
		t.Errorf("%d revisions of the local cluster", len(got))
	}
	store := newRemote(t, s.config("controller"))
	<-store.settled
	var tooMuch *HistoryError
	if _, err := store.History(t.Context(), s.reader(t, alice), web); !errors.As(err, &tooMuch) ||
		tooMuch.Reason() != v1beta1.StorageErrorReason {
		t.Errorf("error = %v", err)
	}
}

func TestTheRevisionsOfAnotherClusterHaveABound(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	helm := s.helm(t)
	for version := 1; version <= 3; version++ {
		must(t, helm.Create(keyOf(version), newRelease(version, release.StatusFailed, func(rel *release.Release) {
			rel.Manifest = strings.Repeat("#", maxRevisions/2)
		})))
	}
	if got, err := s.watching(t).Revisions(t.Context(), s.reader(t, alice), web); err != nil || len(got) != 3 {
		t.Errorf("%d revisions of the local cluster, error = %v", len(got), err)
	}
	store := newRemote(t, s.config("controller"))
	<-store.settled
	var tooMuch *HistoryError
	if _, err := store.Revisions(t.Context(), s.reader(t, alice), web); !errors.As(err, &tooMuch) {
		t.Errorf("error = %v", err)
	}
}

func TestWhatCanBeReadAgainIsNotKeptWithoutRoom(t *testing.T) {
	t.Parallel()
	budget := memory.New(memory.Bounds{Total: 2000, Share: 1000})
	cache := newLRU[int, int](mebi)
	cache.memory = budget.Open("apps", func(*memory.ExceededError) { t.Error("a cache ended the account") })
	for i := range 100 {
		cache.put(i, i, 100)
	}
	if used, _ := budget.Used("apps"); used != 500 || len(cache.byKey) != 5 {
		t.Errorf("%d bytes of %d values", used, len(cache.byKey))
	}
	cache.clear()
	if used, _ := budget.Used("apps"); used != 0 || len(cache.byKey) != 0 {
		t.Errorf("%d bytes of %d values are left", used, len(cache.byKey))
	}
}
