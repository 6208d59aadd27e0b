package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// namespace makes a namespace for a scenario, which is played beside others.
func namespace(t *testing.T) string {
	t.Helper()
	t.Parallel()
	return world.cluster.Namespace(t)
}

// declare applies manifests. Objects without a namespace are in the given one. $NS, $REGISTRY, $CHARTS and $GIT stand
// for the namespace and the upstream servers.
func declare(ctx context.Context, namespace, manifests string) error {
	text := strings.NewReplacer("$NS", namespace, "$REGISTRY", world.registry.Host(), "$CHARTS", world.charts.Host(),
		"$GIT", world.git.Host()).Replace(manifests)
	objects, err := env.ParseObjects(namespace, text)
	if err != nil {
		return err
	}
	return world.cluster.Apply(ctx, objects...)
}

func apply(t *testing.T, namespace, manifests string) {
	t.Helper()
	if err := declare(t.Context(), namespace, manifests); err != nil {
		t.Fatal(err)
	}
}

// release is the manifest of a HelmRelease of the chart kiosk, with more fields of its spec.
func release(name, fields string) string {
	return fmt.Sprintf(`apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: %s}
spec:
  chart: {spec: {chart: kiosk, version: 1.0.0, sourceRef: {kind: HelmRepository, name: charts, namespace: sources}}}
%s`, name, fields)
}

func readRelease(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
	hr := &unstructured.Unstructured{}
	hr.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind))
	return hr, world.cluster.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, hr)
}

// statusOf returns the status of an object as JSON.
func statusOf(object []byte) (string, error) {
	var parsed struct {
		Status json.RawMessage `json:"status"`
	}
	err := json.Unmarshal(object, &parsed)
	return string(parsed.Status), err
}

// revision is what the helm command says of a revision.
type revision struct {
	Revision    int    `json:"revision"`
	Status      string `json:"status"`
	Chart       string `json:"chart"`
	Description string `json:"description"`
}

// state is how a release is to end up. A condition that is left out is not there, or not True in the case of Stalled.
type state struct {
	Released, TestSuccess, Remediated, Ready string
	Stalled                                  bool
	InstallFailures, UpgradeFailures         int64
	// History in Helm's storage, oldest first: "1 superseded", with the description of a rollback behind it.
	History []string
}

// good is a release that runs.
func good(history ...string) state { return state{Released: "True", Ready: "True", History: history} }

// await waits until a release is as wanted, at its present generation and with nothing more to come, and returns it.
func await(t *testing.T, namespace, name string, want state) *v1beta1.HelmRelease {
	t.Helper()
	hr := &v1beta1.HelmRelease{}
	var got state
	err := env.Until(t.Context(), env.Patience, "the release is as wanted", func() (bool, error) {
		if err := world.cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, hr); err != nil {
			return false, err
		}
		got = stateOf(hr)
		settled := hr.Status.ObservedGeneration == hr.Generation && (got.Ready == "True" || got.Ready == "False")
		got.History = want.History
		if !settled || !cmp.Equal(want, got) {
			return false, nil
		}
		got.History = history(t, namespace, name)
		return cmp.Equal(want, got), nil
	})
	if err != nil {
		got.History = history(t, namespace, name)
		t.Fatalf("%s/%s: %v (-want +got):\n%s", namespace, name, err, cmp.Diff(want, got))
	}
	return hr
}

// awaitReady waits until a release is Ready at its present generation, and returns it. It is for releases whose name or
// namespace is not that of the object.
func awaitReady(t *testing.T, namespace, name string) *v1beta1.HelmRelease {
	t.Helper()
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	world.cluster.AwaitReady(t, hr)
	return hr
}

func stateOf(hr *v1beta1.HelmRelease) state {
	value := func(kind string) string { return string(env.Condition(hr, kind).Status) }
	return state{
		Released: value(v1beta1.ReleasedCondition), TestSuccess: value(v1beta1.TestSuccessCondition),
		Remediated: value(v1beta1.RemediatedCondition), Ready: value(v1beta1.ReadyCondition),
		Stalled:         value(v1beta1.StalledCondition) == "True",
		InstallFailures: hr.Status.InstallFailures, UpgradeFailures: hr.Status.UpgradeFailures,
	}
}

// history returns what the helm command has of a release, oldest first.
func history(t *testing.T, namespace, name string) []string {
	t.Helper()
	out, errs, code := world.cluster.Run(t, "helm", "-n", namespace, "history", name, "-o", "json")
	if code != 0 && strings.Contains(errs, "not found") {
		return nil
	}
	if code != 0 {
		t.Fatalf("helm history ended with %d: %s", code, errs)
	}
	var revisions []revision
	if err := json.Unmarshal([]byte(out), &revisions); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range revisions {
		line := fmt.Sprint(r.Revision, " ", r.Status)
		if strings.HasPrefix(r.Description, "Rollback") {
			line += ", " + r.Description
		}
		lines = append(lines, line)
	}
	return lines
}

// record is what the helm command mentions the newest revision of a release.
type record struct {
	Info struct {
		FirstDeployed time.Time `json:"first_deployed"`
		LastDeployed  time.Time `json:"last_deployed"`
	} `json:"info"`
	Hooks []struct {
		Name    string `json:"name"`
		LastRun struct {
			Phase string `json:"phase"`
		} `json:"last_run"`
	} `json:"hooks"`
}

func recordOf(t *testing.T, namespace, name string) record {
	t.Helper()
	var r record
	if err := json.Unmarshal([]byte(mustRun(t, "helm", "-n", namespace, "status", name, "-o", "json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func get[T client.Object](t *testing.T, namespace, name string, object T) T {
	t.Helper()
	object.SetNamespace(namespace)
	object.SetName(name)
	return env.Read(t, world.cluster, object)
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	return world.cluster.MustRun(t, name, args...)
}
