package helmcompat

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// releaseName is the same on both sides, so that what templates make of it is equal.
const releaseName = "web"

// play is one scenario with both of its sides.
type play struct {
	scenario
	cli, own side
	// kinds are those of the objects that were seen in any manifest so far.
	kinds map[kind]bool
}

// side is where one of the two works: a namespace, and further ones.
type side struct {
	namespace string
	all       []string
}

// begin makes the namespaces and what has to be in them.
func begin(t *testing.T, s scenario) *play {
	t.Helper()
	if s.changed == "" && s.next == nil && len(s.archives) < 2 {
		t.Fatal("the scenario upgrades to what is there already")
	}
	p := &play{scenario: s, kinds: map[kind]bool{}}
	name := strings.ReplaceAll(s.name, ".", "-")
	p.cli, p.own = p.side(t, "cli-"+name), p.side(t, "own-"+name)
	t.Cleanup(func() { world.cluster.ShowOnFailure(t, p.home()) })
	return p
}

func (p *play) side(t *testing.T, namespace string) side {
	t.Helper()
	s := side{namespace: namespace, all: []string{namespace}}
	for _, ending := range p.more {
		s.all = append(s.all, namespace+ending)
	}
	for _, name := range s.all {
		if !p.target {
			apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
	}
	if p.before != "" {
		create(t, namespace, p.before)
	}
	return s
}

// home is the namespace of the HelmRelease.
func (p *play) home() string {
	if p.target {
		return shared
	}
	return p.own.namespace
}

func (p *play) releaseObject() string {
	if p.target {
		return p.name
	}
	return releaseName
}

// helm lets the helm command install or upgrade.
func (p *play) helm(t *testing.T, s side, turn int) (output string, code int) {
	t.Helper()
	verb := []string{"install", "upgrade"}[min(turn, 1)]
	file, _, _ := p.publish(t, turn, s.namespace)
	args := []string{verb, releaseName, file, "-n", s.namespace, "--wait", "--wait-for-jobs", "--timeout", "60s"}
	args = append(args, [][]string{p.installFlags, p.upgradeFlags}[min(turn, 1)]...)
	if values := p.configured(turn); values != "" {
		path := filepath.Join(t.TempDir(), "values.json")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(values, here, s.namespace)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-f", path)
	}
	if turn == 0 && p.target {
		args = append(args, "--create-namespace")
	}
	out, errs, code := command(t, "helm", args...)
	return out + errs, code
}

// declare applies the HelmRelease of a turn.
func (p *play) declare(t *testing.T, turn int) {
	t.Helper()
	_, name, version := p.publish(t, turn, p.own.namespace)
	if _, err := world.registry.PushChart(t.Context(), shared, p.archive(t, turn, p.own.namespace)); err != nil {
		t.Fatal(err)
	}
	spec := map[string]any{
		"releaseName": releaseName, "timeout": "60s", "suspend": false,
		"driftDetection": map[string]any{"mode": v1beta1.DriftWarn}, // the helm command corrects nothing between its actions
		"chart": map[string]any{"spec": map[string]any{"chart": name, "version": version,
			"sourceRef": map[string]any{"kind": v1beta1.HelmRepositoryKind, "name": shared, "namespace": shared}}},
	}
	if p.target {
		spec["targetNamespace"], spec["storageNamespace"] = p.own.namespace, p.own.namespace
	}
	if values := p.configured(turn); values != "" {
		parsed := map[string]any{}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(values, here, p.own.namespace)), &parsed); err != nil {
			t.Fatal(err)
		}
		if len(parsed) > 0 { // an empty map that is applied over a filled one becomes null, which the server refuses
			spec["values"] = parsed
		}
	}
	for field, value := range p.spec {
		spec[field] = value
	}
	hr := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	hr.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind))
	hr.SetNamespace(p.home())
	hr.SetName(p.releaseObject())
	apply(t, hr)
}

// hr reads the HelmRelease.
func (p *play) hr(t *testing.T) *v1beta1.HelmRelease {
	t.Helper()
	return env.Read(t, world.cluster,
		&v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: p.home(), Name: p.releaseObject()}})
}

// settled waits until the HelmRelease has come to an end with its current generation, one way or the other.
func (p *play) settled(t *testing.T) metav1.Condition {
	t.Helper()
	hr := p.hr(t)
	return world.cluster.AwaitReadiness(t, hr, "it is Ready or has failed", func(ready metav1.Condition) bool {
		return ready.ObservedGeneration == hr.Generation && ready.Status != metav1.ConditionUnknown && ready.Status != "" &&
			ready.Reason != v1beta1.ProgressingReason
	})
}

// suspend stops Fairlead from acting, as one does before taking the helm command to its release.
func (p *play) suspend(t *testing.T) {
	t.Helper()
	hr := p.hr(t)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`))
	if err := world.cluster.Client.Patch(t.Context(), hr, patch, client.FieldOwner("stage")); err != nil {
		t.Fatal(err)
	}
}

// remove deletes the HelmRelease and waits until it is gone.
func (p *play) remove(t *testing.T) {
	t.Helper()
	hr := p.hr(t)
	if err := world.cluster.Client.Delete(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	env.Await(t, "the HelmRelease is gone", func() bool { return !world.cluster.Exists(t, hr) })
}

// interfere patches an object of both sides, as another client would.
func (p *play) interfere(t *testing.T) {
	t.Helper()
	for _, s := range []side{p.cli, p.own} {
		mustRun(t, "kubectl", "patch", p.betweenKind, p.betweenName, "-n", s.namespace, "--type", "merge", "-p", p.between,
			"--field-manager", "somebody")
	}
}

func apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	world.cluster.MustApply(t, objects...)
}

// create makes the objects of a manifest, in the namespace unless they name one.
func create(t *testing.T, namespace, manifest string) {
	t.Helper()
	for document := range strings.SplitSeq(strings.ReplaceAll(manifest, here, namespace), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		object.SetNamespace(cmp.Or(object.GetNamespace(), namespace))
		if err := world.cluster.Client.Create(t.Context(), object, client.FieldOwner("somebody")); err != nil {
			t.Fatal(err)
		}
	}
}

// mustRun runs a program of bin/ that has to succeed.
func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	return world.cluster.MustRun(t, name, args...)
}

// command runs a program of bin/ against the cluster and returns what it prints and its exit code.
func command(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return world.cluster.Run(t, name, args...)
}
