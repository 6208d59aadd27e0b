package tracker

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

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/test/check"
)

const mebi = 1 << 20

// remote is a tracker of a cluster with an account. When the account ends, so does the tracker, as in the engines.
type remote struct {
	*Tracker
	budget *memory.Budget
	ended  chan struct{}
}

func newRemote(t *testing.T, budget *memory.Budget, namespace string, config *rest.Config) *remote {
	t.Helper()
	full, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &remote{budget: budget, ended: make(chan struct{})}
	account := budget.Open(namespace, func(*memory.ExceededError) {
		cancel()
		close(r.ended)
	})
	t.Cleanup(func() {
		cancel()
		account.Close()
	})
	r.Tracker = New(ctx, Clients{Dynamic: full, Metadata: bare, Memory: account}, Helm(), time.Now)
	return r
}

func (r *remote) used(namespace string) int64 {
	own, _ := r.budget.Used(namespace)
	return own
}

// madeUp is an event with an object that does not exist.
func madeUp(number int64, padding int) map[string]any {
	return map[string]any{"type": "ADDED", "object": map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]any{
			"name": fmt.Sprintf("made-up-%d%s", number, strings.Repeat("x", padding)), "namespace": "apps",
			"resourceVersion": fmt.Sprint(number), "labels": map[string]string{managedByLabel: managedByHelm},
		},
	}}
}

// endless sends objects without an end, and counts them.
func endless(w http.ResponseWriter, r *http.Request, sent *atomic.Int64, padding int) {
	for r.Context().Err() == nil {
		if json.NewEncoder(w).Encode(madeUp(sent.Add(1), padding)) != nil {
			return
		}
	}
}

func lists(w http.ResponseWriter, more string, items ...any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
		"metadata": map[string]any{"resourceVersion": "1", "continue": more}, "items": items})
}

// The ways in which a server says more than can be kept.
func TestAServerThatMakesUpObjectsIsKeptUpToTheShare(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64){
		"after the first list": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
			switch {
			case r.URL.Query().Get("sendInitialEvents") != "":
				refuse(w, http.StatusUnprocessableEntity)
			case r.URL.Query().Has("watch"):
				endless(w, r, sent, 0)
			default:
				lists(w, "")
			}
		},
		"in a first list that is streamed": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
			endless(w, r, sent, 0)
		},
		"with long names": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) { endless(w, r, sent, 100_000) },
		"in pages": func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64) {
			if r.URL.Query().Has("watch") {
				refuse(w, http.StatusUnprocessableEntity)
				return
			}
			lists(w, "more", madeUp(sent.Add(1), 0)["object"])
		},
		"in pages without objects": func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			if r.URL.Query().Has("watch") {
				refuse(w, http.StatusUnprocessableEntity)
				return
			}
			lists(w, "more")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent, asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Type", "application/json")
				says(w, r, &sent)
			}))
			t.Cleanup(func() {
				server.CloseClientConnections()
				server.Close()
			})
			budget := memory.New(memory.Bounds{Total: 8 * mebi, Share: 4 * mebi})
			tracker := newRemote(t, budget, "attacker", &rest.Config{Host: server.URL, QPS: -1})
			calm, _ := newTracker(t, newServer(t))
			use(t, calm, "apps/web", configMaps)
			guarded := newRemote(t, budget, "neighbor", newServer(t).config)
			use(t, guarded.Tracker, "apps/web", configMaps)
			err := tracker.Use(t.Context(), "apps/web", configMaps)
			select {
			case <-tracker.ended:
			case <-time.After(time.Minute):
				t.Fatalf("the account did not end; Use said %v", err)
			}
			s := tracker.stream(configMaps.GVK)
			check.Until(t, "what was kept is dropped", func() bool {
				s.contents.mu.RLock()
				defer s.contents.mu.RUnlock()
				return s.contents.entries == nil
			})
			if used := tracker.used("attacker"); used != 0 || tracker.Tracks(configMaps.GVK) {
				t.Errorf("%d bytes are counted, the kind is tracked: %v", used, tracker.Tracks(configMaps.GVK))
			}
			before := asked.Load()
			for range 100 {
				_ = tracker.Use(t.Context(), "apps/web", configMaps)
			}
			if after := asked.Load(); after > before+1 {
				t.Errorf("%d requests after the end", after-before)
			}
			if !calm.Tracks(configMaps.GVK) || !guarded.Tracks(configMaps.GVK) {
				t.Error("other clusters are not tracked any more")
			}
		})
	}
}

func TestALocalClusterHasNoShare(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	const objects = 20_000 // of another cluster that would be more than the share
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("sendInitialEvents") == "" {
			refuse(w, http.StatusUnprocessableEntity)
			return
		}
		for range objects {
			_ = json.NewEncoder(w).Encode(madeUp(sent.Add(1), 0))
		}
		end := madeUp(objects+1, 0)
		end["type"] = "BOOKMARK"
		end["object"].(map[string]any)["metadata"].(map[string]any)["annotations"] = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		_ = json.NewEncoder(w).Encode(end)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	local, _ := newTracker(t, &apiServer{config: &rest.Config{Host: server.URL, QPS: -1}})
	use(t, local, "apps/web", configMaps)
	if _, there := local.Get(ref(configMaps, fmt.Sprint("made-up-", objects))); !there || !local.Tracks(configMaps.GVK) {
		t.Error("not everything is known of the local cluster")
	}
}

// What comes and goes leaves nothing behind in the account.
func TestTheAccountFollowsTheObjects(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	budget := memory.New(memory.Bounds{Total: 8 * mebi, Share: 4 * mebi})
	tracker := newRemote(t, budget, "apps", server.config)
	use(t, tracker.Tracker, "apps/web", deployments, configMaps)
	empty := tracker.used("apps")
	if empty != 2*streamCost {
		t.Fatalf("%d bytes are counted for two watches", empty)
	}
	for i := range 50 {
		server.put(deployments, managed(t, deployments, fmt.Sprint("web-", i)))
	}
	last := ref(deployments, "web-49")
	until(t, tracker.Tracker, last, "it appeared", func(_ Entry, there bool) bool { return there })
	check.Until(t, "they are counted", func() bool { return tracker.used("apps") >= empty+50*entryCost })
	full := tracker.used("apps")
	server.cut(true) // everything is listed again
	server.put(deployments, managed(t, deployments, "other"))
	until(t, tracker.Tracker, ref(deployments, "other"), "it appeared", func(_ Entry, there bool) bool { return there })
	server.drop(deployments, "apps", "other", false)
	check.Until(t, "a second list counts as much as the first", func() bool { return tracker.used("apps") == full })
	for i := range 50 {
		server.drop(deployments, "apps", fmt.Sprint("web-", i), false)
	}
	check.Until(t, "what went is not counted", func() bool { return tracker.used("apps") == empty })
}

func TestAPageOfAListIsReduced(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.noStream = true
	for i := range 3 {
		server.put(deployments, managed(t, deployments, fmt.Sprint("web-", i)))
	}
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments)
	entry, there := tracker.Get(ref(deployments, "web-2"))
	if !there || entry.Release != "web" || entry.ResourceVersion == 0 {
		t.Errorf("known is %v, %+v", there, entry)
	}
}

func TestWhyAKindCannotBeWatchedIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", mebi)
	for _, err := range []error{
		errors.New(long),
		&apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: long,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Message: long}}},
		}},
	} {
		short := brief(err)
		if text, _ := json.Marshal(short); len(short.Error()) > maxFault || len(text) > 2*maxFault {
			t.Errorf("%d bytes are kept", len(text))
		}
		if refusal(short) != refusal(err) {
			t.Errorf("refusal = %v of the short answer", refusal(short))
		}
	}
}
