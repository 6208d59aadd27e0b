package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// untilLines ends a context when a number of lines was written.
type untilLines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines int
	end   func()
}

func (u *untilLines) Write(data []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.text.Write(data)
	if strings.Count(u.text.String(), "\n") >= u.lines {
		u.end()
	}
	return n, err
}

// watching runs a command that watches until it has printed that many lines. Each watch of releases sends the events of one step.
func watching(t *testing.T, objects []client.Object, lines int, steps [][]watch.Event, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	w := world{objects: objects, funcs: interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(steps) == 0 {
				return watch.NewFake(), nil
			}
			step := steps[0]
			steps = steps[1:]
			events := watch.NewFakeWithChanSize(len(step), false)
			for _, event := range step {
				events.Action(event.Type, event.Object)
			}
			if len(steps) > 0 {
				events.Stop()
			}
			return events, nil
		},
	}}
	var errs bytes.Buffer
	out := &untilLines{lines: lines, end: cancel}
	code = w.runTo(ctx, w.client(t), out, &errs, args...)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("after a minute it had printed:\n%s", out.text.String())
	}
	return out.text.String(), errs.String(), code
}

func TestGetWatchPrintsWhatChanges(t *testing.T) {
	t.Parallel()
	same, failed, deleted, other := shop(), shop(), shop(), fresh()
	same.Annotations = map[string]string{"touched": "yes"}
	fails(failed)
	other.Name = "newer"
	gone := &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}
	steps := [][]watch.Event{
		{{Type: watch.Added, Object: shop()}, {Type: watch.Modified, Object: same}, {Type: watch.Modified, Object: failed}},
		{{Type: watch.Error, Object: gone}},
		{{Type: watch.Bookmark, Object: shop()}, {Type: watch.Added, Object: other}, {Type: watch.Deleted, Object: deleted}},
	}
	stdout, stderr, code := watching(t, []client.Object{shop(), parked()}, 7, steps, "get", "releases", "--watch")
	want := `NAME     PHASE       HEALTH   CHART        REVISION   AGE   MESSAGE
parked   Suspended   -        shop-1.9.1   42         24h   web/shop revision 42 runs shop 1.9.1
shop     Ready       -        shop-1.9.1   42         40d   web/shop revision 42 runs shop 1.9.1
shop     Failed      -        shop-1.9.1   42         40d   upgrade of web/shop failed: Job/migrate: exit code 1
shop     Ready       -        shop-1.9.1   42         40d   web/shop revision 42 runs shop 1.9.1
newer    Pending     -        -            -          4s    -
shop     Missing     -        -            -                it was deleted
`
	want = strings.Replace(want, "-                it was", "-          -     it was", 1)
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || code != exitOK {
		t.Errorf("code %d, stderr %q, (-want +got):\n%s", code, stderr, diff)
	}
}

func TestGetWatchOfAPhase(t *testing.T) {
	t.Parallel()
	failed, well := shop(), shop()
	fails(failed)
	status.Ready(well, v1beta1.UpgradeSucceededReason, "web/shop revision 43 runs shop 1.9.2", now)
	steps := [][]watch.Event{
		{{Type: watch.Modified, Object: failed}, {Type: watch.Modified, Object: well}},
	}
	stdout, stderr, code := watching(t, []client.Object{shop()}, 3, steps, "get", "hr/shop", "-w", "--status", "failed")
	want := `NAME   PHASE    HEALTH   CHART        REVISION   AGE   MESSAGE
shop   Failed   -        shop-1.9.1   42         40d   upgrade of web/shop failed: Job/migrate: exit code 1
shop   Ready    -        shop-1.9.1   42         40d   web/shop revision 43 runs shop 1.9.2
`
	if diff := cmp.Diff(want, stdout); diff != "" || code != exitOK {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
	if stderr != "no releases in phase Failed in namespace web (context prod); -A looks in all namespaces\n" {
		t.Errorf("stderr %q", stderr)
	}
}

func TestGetWatchWithoutTheRight(t *testing.T) {
	t.Parallel()
	w := world{objects: everything(), funcs: interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			return nil, forbid("watch", "web")
		},
	}}
	r := w.run(t, "get", "releases", "-w")
	if r.code != exitError || r.stdout != "" || !strings.Contains(r.stderr, "may not watch helmreleases.fairlead.dev in namespace web") {
		t.Errorf("%+v", r)
	}
}

func TestGetWatchNamesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	r := world{objects: everything()}.run(t, "get", "releases", "shpo", "-w")
	want := "fairlead: release \"shpo\" not found in namespace web; did you mean shop?\n"
	if r.code != exitError || r.stderr != want {
		t.Errorf("%+v", r)
	}
}

// An object that leaves the selection is reported once, with its kind's own columns.
func TestGoneRows(t *testing.T) {
	t.Parallel()
	for _, word := range reconciledWords {
		k, _ := kindByWord(word)
		object := view.Reference{Kind: k.name, Namespace: "web", Name: "x"}
		w := &listWatch{printed: map[view.Reference]string{object: "text"}, query: query{selector: labels.Everything()}}
		got, phase := identify(w.gone(object))
		if got != object || phase != view.Missing || len(w.printed) != 0 {
			t.Errorf("%s: %v in phase %s, still printed: %v", k.word, got, phase, w.printed)
		}
	}
}
