package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestWait(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	promotions := world{objects: []client.Object{request()}}
	runGolden(t, []goldenCase{
		{"help-wait", world{}, "wait --help"},
		{"wait-ready", all, "wait release shop"},
		{"wait-slash", all, "wait hr/shop --for revision=42"},
		{"wait-several", all, "wait releases shop broken parked"},
		{"wait-not-in-time", all, "wait release api --timeout 50ms"},
		{"wait-phase", all, "wait release api --for phase=failed"},
		{"wait-healthy", world{objects: conditioned()[:1]}, "wait release a-verified --for healthy"},
		{"wait-source", all, "wait gitrepository fleet -n infra --for revision=4f3c9a1b"},
		{"wait-all", all, "wait helmrepositories --all -A"},
		{"wait-none", world{}, "wait releases --all"},
		{"wait-promotion", promotions, "wait promotion shop-prod-8 --timeout 50ms"},
		{"wait-not-found", all, "wait release shpo"},
		{"wait-freeze", all, "wait freeze sale"},
		{"wait-nothing", all, "wait release"},
		{"wait-malformed", all, "wait release shop --for green"},
		{"wait-no-time", all, "wait release shop --timeout 0s"},
	})
}

// What changes while it is waited for is shown, and ends the waiting.
func TestWaitFollows(t *testing.T) {
	t.Parallel()
	c := world{objects: everything()}.client(t)
	change := func(name string, do func(*v1beta1.HelmRelease)) {
		hr := &v1beta1.HelmRelease{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: name}, hr); err != nil {
			t.Error(err)
			return
		}
		do(hr)
		if err := c.Update(t.Context(), hr); err != nil {
			t.Error(err)
		}
	}
	// The command waits for api and fresh; the second one is ready after the first line about it.
	var once sync.Once
	out := &untilLines{lines: 2, end: func() {
		go once.Do(func() {
			change("api", func(hr *v1beta1.HelmRelease) { status.Ready(hr, v1beta1.UpgradeSucceededReason, "runs", now) })
			change("fresh", func(hr *v1beta1.HelmRelease) {
				hr.Status.ObservedGeneration = hr.Generation
				status.Ready(hr, v1beta1.InstallSucceededReason, "is installed", now)
			})
		})
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout strings.Builder
	code := world{}.runTo(ctx, c, &stdout, out, "wait", "releases", "api", "fresh")
	if want := "release web/api is Ready: runs\nrelease web/fresh is Ready: is installed\n"; code != exitOK || stdout.String() != want {
		t.Errorf("it ended with %d and printed\n%s", code, stdout.String())
	}
}

// The progress on a terminal has the number of objects, the time and the deadline, and the first object that is not there.
func TestWaitOnATerminal(t *testing.T) {
	t.Parallel()
	w := world{objects: everything(), width: 200}
	r := w.run(t, "wait", "releases", "api", "shop", "--timeout", "50ms")
	if want := "1 of 2 releases ready, 0s of 50ms, 4 objects; release web/api: Failed: upgrade of web/api"; r.code != exitNotReady ||
		!strings.Contains(r.stderr, want) {
		t.Errorf("%+v", r)
	}
}
