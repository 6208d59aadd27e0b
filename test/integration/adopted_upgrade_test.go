package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// byHand edits the ConfigMap of a release as a user does.
func byHand(t *testing.T, ns, name string) {
	t.Helper()
	mustRun(t, "kubectl", "patch", "configmap", name, "-n", ns, "--type", "merge", "-p",
		`{"data":{"message":"by hand"}}`)
}

// byFlux installs the sample chart as Flux leaves it: with its labels in the record, and its field manager.
func byFlux(t *testing.T, ns string) {
	t.Helper()
	labels := filepath.Join(t.TempDir(), "labels")
	script := "#!/bin/sh\nexec sed 's|^metadata:$|metadata:\\n  labels: {helm.toolkit.fluxcd.io/name: web, " +
		"helm.toolkit.fluxcd.io/namespace: " + ns + "}|'\n"
	if err := os.WriteFile(labels, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	byHelm(t, ns, "web", "--set", "message=mine", "--post-renderer", labels)
	for _, kind := range []string{"configmap", "deployment"} {
		mustRun(t, "kubectl", "patch", kind, "web", "-n", ns, "--type", "json", "-p",
			`[{"op":"replace","path":"/metadata/managedFields/0/manager","value":"helm-controller"}]`)
	}
}

// patchUntil changes when the first upgrade of an adopted release follows.
func patchUntil(t *testing.T, hr *v1beta1.HelmRelease, at time.Time) {
	t.Helper()
	mustRun(t, "kubectl", "patch", "hr/"+hr.Name, "-n", hr.Namespace, "--subresource", "status", "--type", "merge",
		"-p",
		fmt.Sprintf(`{"status":{"adoption":{"until":%q}}}`, at.UTC().Format(time.RFC3339)))
}

// awaitHeld waits until the first upgrade of an adopted release waits, and asserts that the edit is there and reported.
func awaitHeld(t *testing.T, hr *v1beta1.HelmRelease) (until string) {
	t.Helper()
	ready := awaitNotReady(t, hr, v1beta1.AdoptionHeldReason)
	drifted := condition(t, hr, v1beta1.DriftedCondition)
	if drifted.Status != metav1.ConditionTrue || drifted.Reason != v1beta1.DriftDetectedReason {
		t.Errorf("the edit is not reported: %+v", drifted)
	}
	if hr.Status.Adoption == nil || hr.Status.Adoption.Until == nil {
		t.Fatalf("the status has no time: %+v", hr.Status.Adoption)
	}
	until = hr.Status.Adoption.Until.UTC().Format(time.RFC3339)
	says(t, ready.Message, until)
	says(t, drifted.Message, until, ".data.message was changed by kubectl")
	if got := configMap(t, hr.Namespace, "web")["message"]; got != "by hand" {
		t.Errorf("the edit was undone: %q", got)
	}
	return until
}

// awaitUpgraded waits until an adopted release has what is declared.
func awaitUpgraded(t *testing.T, hr *v1beta1.HelmRelease, message string) {
	t.Helper()
	awaitReady(t, hr)
	wantRevisions(t, hr, "1:superseded 2:deployed")
	if got := configMap(t, hr.Namespace, "web")["message"]; got != message {
		t.Errorf("the upgrade did not write what is declared: %q", got)
	}
	if hr.Status.Adoption != nil {
		t.Errorf("the comparison is still in the status: %+v", hr.Status.Adoption)
	}
	until(t, "nothing differs any more", func() bool {
		return condition(t, hr, v1beta1.DriftedCondition).Status == metav1.ConditionFalse
	})
}

// ignoreMessage lets the message of the ConfigMap drift.
func ignoreMessage(hr *v1beta1.HelmRelease) {
	rule := v1beta1.DriftIgnoreRule{Paths: []string{"/data/message"}}
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Ignore: []v1beta1.DriftIgnoreRule{rule}}
}

func driftEvents(t *testing.T, ns string) (messages []string) {
	t.Helper()
	events := &corev1.EventList{}
	if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Items {
		if e.Reason == v1beta1.DriftDetectedReason && e.InvolvedObject.Name == "web" {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

func awaitDriftEvent(t *testing.T, ns, text string) {
	t.Helper()
	until(t, "an event mentions the edit", func() bool {
		return slices.ContainsFunc(driftEvents(t, ns), func(message string) bool {
			return strings.Contains(message,
				text)
		})
	})
}

// adopting declares a release that differs from the one that is there.
func adopting(ns string, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"declared"}`)
	hr.Spec.Bake = &metav1.Duration{}
	for _, c := range change {
		c(hr)
	}
	return hr
}

// What was edited by hand is reported before the first upgrade of an adopted release overwrites it, and the commands
// say until when.
func TestTheUpgradeOfAnAdoptionWaits(t *testing.T) {
	t.Parallel()
	for name, install := range map[string]func(t *testing.T, ns string){
		"helm": func(t *testing.T, ns string) { t.Helper(); byHelm(t, ns, "web", "--set", "message=mine") },
		"flux": byFlux,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			registrySample(t, ns, "1.0.0")
			install(t, ns)
			byHand(t, ns, "web")
			hr := adopting(ns)
			apply(t, hr)
			at := awaitHeld(t, hr)
			awaitDriftEvent(t, ns, "the first upgrade of the release overwrites it at "+at)
			wantRevisions(t, hr, "1:deployed")
			for text, args := range map[string][]string{
				"fairlead reconcile release web": {"explain", "release", "web", "-n", ns},
				"Waiting":                        {"status", "release", "web", "-n", ns},
				"but: ":                          {"diff", "release", "web", "-n", ns, "--pending"},
			} {
				said, _, _ := command(t, "fairlead", args...)
				says(t, said, text, at)
			}
			mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
			awaitUpgraded(t, hr, "declared")
		})
	}
}

// What the upgrade does not overwrite, and what may drift, does not delay it; neither do modes that correct nothing.
func TestTheUpgradeOfAnAdoptionFollows(t *testing.T) {
	t.Parallel()
	mode := func(mode string) func(*v1beta1.HelmRelease) {
		return func(hr *v1beta1.HelmRelease) { hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: mode} }
	}
	for name, tt := range map[string]struct {
		change  func(*v1beta1.HelmRelease)
		message string
		event   string
	}{
		"same": {message: "by hand", change: func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"by hand"}`) }},
		"rule": {message: "declared", change: ignoreMessage},
		"warn": {message: "declared", change: mode(v1beta1.DriftWarn), event: "spec.driftDetection.mode is warn"},
		"disabled": {message: "declared", change: mode(v1beta1.DriftDisabled),
			event: "spec.driftDetection.mode is disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			registrySample(t, ns, "1.0.0")
			byHelm(t, ns, "web", "--set", "message=mine")
			byHand(t, ns, "web")
			hr := adopting(ns, tt.change)
			apply(t, hr)
			awaitReady(t, hr)
			wantRevisions(t, hr, "1:superseded 2:deployed")
			if got := configMap(t, ns, "web")["message"]; got != tt.message {
				t.Errorf("the upgrade left %q", got)
			}
			if tt.event != "" {
				awaitDriftEvent(t, ns, tt.event)
			} else if events := driftEvents(t, ns); len(events) > 0 {
				t.Errorf("it is reported: %q", events)
			}
		})
	}
}

// The wait ends when the edits are taken back, and when the spec names the edit as something that may differ.
func TestTheWaitOfAnAdoptionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, hr *v1beta1.HelmRelease){
		"undone": func(t *testing.T, hr *v1beta1.HelmRelease) {
			t.Helper()
			mustRun(t, "kubectl", "patch", "configmap", "web", "-n", hr.Namespace, "--type", "merge", "-p",
				`{"data":{"message":"mine"}}`)
		},
		"rule": func(t *testing.T, hr *v1beta1.HelmRelease) {
			t.Helper()
			ignoreMessage(hr)
			apply(t, hr)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			registrySample(t, ns, "1.0.0")
			byHelm(t, ns, "web", "--set", "message=mine")
			byHand(t, ns, "web")
			hr := adopting(ns)
			apply(t, hr)
			awaitHeld(t, hr)
			end(t, adopting(ns))
			awaitUpgraded(t, hr, "declared")
		})
	}
}

// What is edited after a release was taken over as it is is not overwritten before it was reported for ten minutes.
func TestTheFirstUpgradeAfterAnAdoptionWaits(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine")
	apply(t, adopting(ns, func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"mine"}`) }))
	hr := adopting(ns)
	awaitWatched(t, hr)
	byHand(t, ns, "web")
	reported := awaitDrifted(t, hr, v1beta1.DriftDetectedReason).LastTransitionTime
	apply(t, adopting(ns))
	if at := awaitHeld(t, hr); at != reported.Add(10*time.Minute).UTC().Format(time.RFC3339) {
		t.Errorf("the edit was reported %s, and the upgrade is due %s", reported, at)
	}
	wantRevisions(t, hr, "1:deployed")
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
	awaitUpgraded(t, hr, "declared")
}

// The wait survives the death of the controller, which neither ends nor extends it, and has an end.
func TestKilledWhileAnAdoptionWaits(t *testing.T) {
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine")
	byHand(t, ns, "web")
	hr := adopting(ns)
	apply(t, hr)
	at := awaitHeld(t, hr)
	restart(t)
	mustRun(t, "kubectl", "annotate", "hr/web", "-n", ns, "example.com/touched=1")
	time.Sleep(2 * time.Second)
	if again := awaitHeld(t, hr); again != at {
		t.Errorf("the upgrade was due %s and is %s", at, again)
	}
	wantRevisions(t, hr, "1:deployed")
	world.controller.Kill()
	patchUntil(t, hr, time.Now().Add(20*time.Second))
	if err := startController(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitUpgraded(t, hr, "declared")
}

// Of two HelmReleases that adopt the same release one owns it while its upgrade waits. When that one is deleted, the
// release stays as another Helm client made it, for the other one to adopt.
func TestTwoAdoptTheSameRelease(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine")
	byHand(t, ns, "web")
	hr := adopting(ns)
	apply(t, hr)
	awaitHeld(t, hr)
	other := second(t, hr)
	awaitRefused(t, other, hr)
	removed(t, hr)
	ready := awaitNotReady(t, other, v1beta1.AdoptionHeldReason)
	says(t, ready.Message, "the adopted revision 1")
	wantRevisions(t, hr, "1:deployed")
	if got := configMap(t, ns, "web")["message"]; got != "by hand" {
		t.Errorf("the edit was undone: %q", got)
	}
	mustRun(t, "fairlead", "reconcile", "release", other.Name, "-n", other.Namespace)
	awaitReady(t, other)
	wantRevisions(t, hr, "1:superseded 2:deployed")
}

// A suspended HelmRelease changes and compares nothing; once resumed it reports first, as any adoption.
func TestASuspendedAdoption(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	byHelm(t, ns, "web", "--set", "message=mine")
	byHand(t, ns, "web")
	hr := adopting(ns, func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true })
	apply(t, hr)
	said, _, _ := command(t, "fairlead", "diff", "release", "web", "-n", ns, "--pending")
	says(t, said, "why: values",
		"but: the live objects are compared with revision 1 of another Helm client before its upgrade",
		".data.message: mine → declared")
	time.Sleep(3 * time.Second)
	if get(t, hr); hr.Status.Adoption != nil || hr.Status.Latest() != nil || hr.Status.Drift != nil {
		t.Errorf("something was done for a suspended object: %+v", hr.Status)
	}
	wantRevisions(t, hr, "1:deployed")
	mustRun(t, "fairlead", "resume", "release", "web", "-n", ns)
	awaitHeld(t, hr)
	wantRevisions(t, hr, "1:deployed")
}
