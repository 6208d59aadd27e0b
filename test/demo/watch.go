package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// await shows what the releases say of themselves until each is ready with the version it should have.
func (s *show) await(ctx context.Context, versions map[string]string) error {
	line := &liveLine{terminal: term.IsTerminal(int(os.Stdout.Fd())), started: time.Now()}
	defer line.end()
	said := map[string]string{}
	deadline := time.Now().Add(patience)
	for {
		releases := &v1beta1.HelmReleaseList{}
		if err := s.cluster.Client.List(ctx, releases, client.InNamespace("default")); err != nil {
			return fmt.Errorf("listing the releases: %w", err)
		}
		left := len(versions)
		for i := range releases.Items {
			hr := &releases.Items[i]
			state, done := describe(hr, versions[hr.Name])
			if done {
				left--
			}
			if said[hr.Name] != state {
				said[hr.Name] = state
				line.say("      %-11s %s", hr.Name, state)
			}
		}
		if left == 0 {
			return nil
		}
		if err := s.failed(deadline, said); err != nil {
			return err
		}
		line.tick(fmt.Sprintf("waiting for %d of %d releases", left, len(versions)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *show) failed(deadline time.Time, said map[string]string) error {
	if err := s.controller.Failed(); err != nil {
		return err
	}
	if time.Now().Before(deadline) {
		return nil
	}
	return fmt.Errorf("not ready after %s: %v", patience, said)
}

// describe returns in a few words how far a release is, and whether it is ready with the version.
func describe(hr *v1beta1.HelmRelease, version string) (string, bool) {
	ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
	if ready == nil {
		return "declared", false
	}
	latest := hr.Status.Latest()
	done := ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == hr.Generation && latest != nil &&
		latest.ChartVersion == version
	word := map[metav1.ConditionStatus]string{
		metav1.ConditionTrue: "Ready", metav1.ConditionFalse: "not ready", metav1.ConditionUnknown: "working",
	}[ready.Status]
	return word + ": " + ready.Message, done
}

// liveLine shows that time goes by: on a terminal in one line that is rewritten, elsewhere not at all.
type liveLine struct {
	terminal bool
	started  time.Time
	shown    bool
	frame    int
}

func (l *liveLine) tick(text string) {
	if !l.terminal {
		return
	}
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	l.frame = (l.frame + 1) % len(frames)
	fmt.Fprintf(os.Stdout, "\r\033[K      %c %s, %.0fs", frames[l.frame], text, time.Since(l.started).Seconds())
	l.shown = true
}

func (l *liveLine) say(format string, args ...any) {
	l.end()
	say(format, args...)
}

func (l *liveLine) end() {
	if l.shown {
		fmt.Fprint(os.Stdout, "\r\033[K")
		l.shown = false
	}
}
