package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

func event(kind, namespace, name, reason, message string, age time.Duration) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "." + reason, UID: types.UID(name + reason)},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: v1beta1.GroupVersion.String(), Kind: kind, Namespace: namespace, Name: name,
		},
		Type: corev1.EventTypeNormal, Reason: reason, Message: message, EventTime: metav1.NewMicroTime(now.Add(-age)),
	}
}

// happened are a release and a source with events, and an event about an object of another API.
func happened() []client.Object {
	failed := event(v1beta1.HelmReleaseKind, "web", "api", "UpgradeFailed", "Deployment/api:\n0 of 3 pods are ready", 0)
	failed.Type = corev1.EventTypeWarning
	failed.Series = &corev1.EventSeries{Count: 3, LastObservedTime: metav1.NewMicroTime(now.Add(-20 * time.Second))}
	pod := event("Pod", "web", "api", "BackOff", "back-off", time.Second)
	pod.InvolvedObject.APIVersion = "v1"
	return append(everything(), failed, pod,
		event(v1beta1.HelmReleaseKind, "web", "shop", "UpgradeSucceeded", "revision 42 runs shop 1.9.1", time.Minute),
		event(v1beta1.HelmReleaseKind, "web", "gone", "UninstallSucceeded", "web/gone is uninstalled", time.Hour),
		event(v1beta1.HelmRepositoryKind, "web", "charts", "ArtifactStored", "212 charts", 2*time.Hour),
		event(v1beta1.HelmReleaseKind, "infra", "db", "InstallSucceeded", "databases-db revision 1", 3*time.Minute),
	)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := world{objects: happened()}
	refused := world{funcs: interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
		},
	}}
	runGolden(t, []goldenCase{
		{"events", w, "events"},
		{"events-all", w, "events -A"},
		{"events-kind", w, "events releases -A"},
		{"events-named", w, "events release api"},
		{"events-named-json", w, "events hr/api -o json"},
		{"events-deleted-object", w, "events release gone"},
		{"events-none", w, "events release parked"},
		{"events-none-json", w, "events release parked -o json"},
		{"events-none-at-all", world{}, "events -A"},
		{"events-not-found", w, "events release shpo"},
		{"events-terminal", world{objects: happened(), outWidth: 60}, "events"},
		{"events-forbidden", refused, "events"},
		{"events-unknown-kind", w, "events relases"},
		{"events-too-many", w, "events release shop api"},
		{"events-watch-json", w, "events -w -o json"},
	})
}

func TestEventsAreWatched(t *testing.T) {
	t.Parallel()
	const upgraded = "web/shop revision 42 runs shop 1.9.1"
	again := event(v1beta1.HelmReleaseKind, "web", "shop", "UpgradeSucceeded", upgraded, time.Minute)
	more := again.DeepCopy()
	more.Series = &corev1.EventSeries{Count: 2, LastObservedTime: metav1.NewMicroTime(now)}
	next := event(v1beta1.HelmReleaseKind, "web", "shop", "DriftDetected", "Deployment shop was changed", 0)
	gone := &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}
	steps := [][]watch.Event{
		{
			{Type: watch.Added, Object: again}, {Type: watch.Modified, Object: more},
			{Type: watch.Deleted, Object: again},
		},
		{{Type: watch.Error, Object: gone}},
		{{Type: watch.Bookmark, Object: again}, {Type: watch.Added, Object: next}},
	}
	stdout, stderr, code := watching(t, happened(), 4, steps, "events", "release", "shop", "--watch")
	want := `LAST SEEN   TYPE     REASON             MESSAGE
60s         Normal   UpgradeSucceeded   revision 42 runs shop 1.9.1
0s (2x)     Normal   UpgradeSucceeded   web/shop revision 42 runs shop 1.9.1
0s          Normal   DriftDetected      Deployment shop was changed
`
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || code != exitOK {
		t.Errorf("code %d, stderr %q, (-want +got):\n%s", code, stderr, diff)
	}
}

func TestEventsWatchWithoutTheRight(t *testing.T) {
	t.Parallel()
	w := world{objects: happened(), funcs: interceptor.Funcs{
		Watch: func(
			context.Context, client.WithWatch, client.ObjectList, ...client.ListOption,
		) (watch.Interface, error) {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
		},
	}}
	r := w.run(t, "events", "-w")
	if r.code != exitError || !strings.Contains(r.stderr, "may not watch events in namespace web") {
		t.Errorf("%+v", r)
	}
}
