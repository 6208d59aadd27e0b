package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// wanted is a generation of a release that has to become Ready.
type wanted struct {
	name       string
	generation int64
}

// arrivals notes when releases become Ready. The times in the objects have a resolution of a second, so what counts is
// when the watch reports it.
type arrivals struct {
	now func() time.Time

	mu      sync.Mutex
	at      map[wanted]time.Time
	latest  map[string]*v1beta1.HelmRelease
	changed chan struct{}
}

// watchReleases watches the releases of a namespace until ctx ends.
func watchReleases(ctx context.Context, c client.WithWatch, namespace string) *arrivals {
	a := newArrivals()
	inNamespace := func(o metav1.ListOptions) *client.ListOptions {
		return &client.ListOptions{Namespace: namespace, Raw: &o}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				list := &v1beta1.HelmReleaseList{}
				return list, c.List(ctx, list, inNamespace(o))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return c.Watch(ctx, &v1beta1.HelmReleaseList{}, inNamespace(o))
			},
		},
		ObjectType: &v1beta1.HelmRelease{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    a.note,
			UpdateFunc: func(_, object any) { a.note(object) },
		},
	})
	go informer.RunWithContext(ctx)
	return a
}

func newArrivals() *arrivals {
	return &arrivals{
		now: time.Now, at: map[wanted]time.Time{}, latest: map[string]*v1beta1.HelmRelease{}, changed: make(chan struct{}),
	}
}

func (a *arrivals) note(object any) {
	hr, ok := object.(*v1beta1.HelmRelease)
	if !ok {
		return
	}
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latest[hr.Name] = hr
	if key := (wanted{hr.Name, hr.Generation}); isReady(hr) {
		if _, known := a.at[key]; !known {
			a.at[key] = now
		}
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// isReady reports whether a release is Ready at its current generation.
func isReady(hr *v1beta1.HelmRelease) bool {
	ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == hr.Generation
}

// isSettling reports whether something is still under way after a release is Ready, such as the watch over its health.
func isSettling(hr *v1beta1.HelmRelease) bool {
	return slices.ContainsFunc(hr.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1beta1.ReconcilingCondition && c.Status == metav1.ConditionTrue ||
			c.Type == "Verified" && c.Status == metav1.ConditionUnknown
	})
}

// snapshot returns when each of these became Ready, and a channel that is closed at the next change.
func (a *arrivals) snapshot(all []wanted) (map[wanted]time.Time, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[wanted]time.Time{}
	for _, key := range all {
		if at, ok := a.at[key]; ok {
			found[key] = at
		}
	}
	return found, a.changed
}

// settling counts the releases with something under way.
func (a *arrivals) settling() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := 0
	for _, hr := range a.latest {
		if isSettling(hr) {
			count++
		}
	}
	return count, a.changed
}

// missing describes some releases that are not Ready, and why.
func (a *arrivals) missing(all []wanted, found map[wanted]time.Time) error {
	const some = 3
	a.mu.Lock()
	defer a.mu.Unlock()
	var text string
	names := map[string]bool{}
	for _, key := range all {
		if _, ok := found[key]; !ok {
			names[key.name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names))[:min(some, len(names))] {
		text += "\n  " + name + ": "
		hr := a.latest[name]
		if hr == nil {
			text += "never seen"
			continue
		}
		if ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition); ready != nil {
			text += fmt.Sprintf("Ready is %s, %s: %s", ready.Status, ready.Reason, ready.Message)
		} else {
			text += "no word of the controller yet"
		}
	}
	return fmt.Errorf("%d of %d releases are not Ready, among them:%s", len(all)-len(found), len(all), text)
}
