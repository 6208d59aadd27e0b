package tracker

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

func parse(t testing.TB, document string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return object
}

const (
	configMapHead = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  uid: u\n  resourceVersion: '7'\n  managedFields:\n"
	ours          = "  - {manager: helm, operation: Apply, fieldsV1: {'f:data': {'f:a': {}, 'f:b': {}}}}\n"
	oursReordered = "  - {manager: helm, operation: Apply, fieldsV1: {'f:data': {'f:b': {}, 'f:a': {}}}}\n"
	oursLess      = "  - {manager: helm, operation: Apply, fieldsV1: {'f:data': {'f:a': {}}}}\n"
	oursMoved     = "  - {manager: helm, operation: Apply, fieldsV1: {'f:data': {'f:a': {'f:b': {}}}}}\n"
	foreign       = "  - {manager: kubectl, operation: Apply, fieldsV1: {'f:data': {'f:c': {}}}}\n"
	update        = "  - {manager: helm, operation: Update, fieldsV1: {'f:data': {'f:c': {}}}}\n"
	flux          = "  - {manager: helm-controller, operation: Update, fieldsV1: {'f:data': {'f:c': {}}}}\n"
	controller    = "  - {manager: kube-controller-manager, operation: Update, subresource: status, fieldsV1: {'f:status': {}}}\n"
	ourStatus     = "  - {manager: helm, operation: Apply, subresource: status, fieldsV1: {'f:status': {}}}\n"
	ourOldStatus  = "  - {manager: helm, operation: Update, subresource: status, fieldsV1: {'f:status': {}}}\n"
)

func TestOwnership(t *testing.T) {
	t.Parallel()
	base := Reduce(parse(t, configMapHead+ours)).Ownership
	tests := []struct {
		name   string
		fields string
		same   bool
		none   bool
		legacy bool
	}{
		{name: "the same", fields: ours, same: true},
		{name: "written in another order", fields: oursReordered, same: true},
		{name: "another manager owns more", fields: foreign + ours, same: true},
		{name: "a controller writes the status", fields: ours + controller, same: true},
		{name: "our own manager writes the status", fields: ours + ourStatus + ourOldStatus, same: true},
		{name: "a field of ours was taken", fields: oursLess},
		{name: "a field of ours moved", fields: oursMoved},
		{name: "our entry is gone", fields: foreign, none: true},
		{name: "helm updates beside us", fields: ours + update, same: true, legacy: true},
		{name: "helm updated before us", fields: update, legacy: true},
		{name: "helm-controller updated before us", fields: flux, legacy: true},
		{name: "an entry that is no object", fields: "  - x\n", none: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			object := parse(t, configMapHead+tt.fields)
			got := Reduce(object)
			if (got.Ownership == base) != tt.same || (got.Ownership == 0) != tt.none || got.Legacy != tt.legacy {
				t.Errorf("ownership %x (base %x), legacy %v", got.Ownership, base, got.Legacy)
			}
			if strings.Contains(tt.fields, "- x") {
				return // it has no typed form
			}
			if metadata := Helm().reduceMetadata(metadataOf(t, object)); metadata != got {
				t.Errorf("by its metadata it is %+v, in full %+v", metadata, got)
			}
		})
	}
}

func metadataOf(t testing.TB, object *unstructured.Unstructured) *metav1.PartialObjectMetadata {
	t.Helper()
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	partial := &metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(content, partial); err != nil {
		t.Fatal(err)
	}
	return partial
}

func TestReduce(t *testing.T) {
	t.Parallel()
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 3}\nspec: {replicas: 1}\n"
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {startTime: '2026-03-01T12:00:00Z', active: 1}\n"
	const deleted = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, deletionTimestamp: '2026-03-01T12:00:00Z'}\n"
	tests := []struct {
		name            string
		object          string
		ready, complete health.State
		deleting        bool
	}{
		{
			name: "a ConfigMap", object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", ready: health.Current,
			complete: health.Current,
		},
		{
			name: "a ConfigMap that is being deleted", object: deleted, ready: health.InProgress, complete: health.InProgress,
			deleting: true,
		},
		{name: "a Deployment not seen by its controller",
			object: deployment + "status: {observedGeneration: 2, replicas: 1}\n",
			ready:  health.InProgress, complete: health.InProgress},
		{name: "a Deployment that is there", ready: health.Current, complete: health.Current, object: deployment +
			"status: {observedGeneration: 3, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: 'True'}]}\n"},
		{name: "a Job that runs", object: job, ready: health.Current, complete: health.InProgress},
		{name: "a Pod that waits", object: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {phase: Pending}\n",
			ready: health.InProgress, complete: health.InProgress},
		{name: "a custom resource without conditions",
			object: "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n",
			ready:  health.Current, complete: health.Current},
		{name: "a custom resource that is not ready", ready: health.InProgress, complete: health.InProgress,
			object: "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nstatus: {conditions: [{type: Ready, status: 'False', message: later}]}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Reduce(parse(t, tt.object))
			if got.Ready.State != tt.ready || got.Complete.State != tt.complete || got.Deleting != tt.deleting {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What a kind of the list says in a status must not matter, or it would have to be watched in full.
func TestStatelessKindsHaveNoReadiness(t *testing.T) {
	t.Parallel()
	for _, kind := range health.Stateless() {
		object := parse(t, "apiVersion: v1\nkind: X\nmetadata: {name: a, generation: 1}\n")
		object.SetAPIVersion(strings.TrimPrefix(kind.Group+"/v1", "/"))
		object.SetKind(kind.Kind)
		if full, bare := Reduce(object), Helm().reduceMetadata(metadataOf(t, object)); full != bare ||
			full.Ready.State != health.Current {
			t.Errorf("%s: in full %+v, by its metadata %+v", kind, full, bare)
		}
	}
}

func TestReduceBoundsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	object := parse(t,
		"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, resourceVersion: x}\nstatus: {conditions: [{type: Ready, status: 'False'}]}\n")
	object.SetAnnotations(
		map[string]string{releaseAnnotation: strings.Repeat("é", 1000), releaseNamespaceAnnotation: "apps"})
	conditions := []any{map[string]any{"type": "Ready", "status": "False", "message": strings.Repeat("é", 5000)}}
	if err := unstructured.SetNestedSlice(object.Object, conditions, "status", "conditions"); err != nil {
		t.Fatal(err)
	}
	got := Reduce(object)
	if len(got.Release) > maxAnnotation || len(got.Ready.Quote) > maxMessage || len(got.Ready.Quote) < maxMessage/2 {
		t.Errorf("kept %d and %d bytes", len(got.Release), len(got.Ready.Quote))
	}
	if !utf8.ValidString(got.Release) || !utf8.ValidString(got.Ready.Quote) {
		t.Error("a character was cut in two")
	}
	if got.ResourceVersion != 0 || got.ReleaseNamespace != "apps" {
		t.Errorf("got %+v", got)
	}
}

func TestAutoscalersAreKnownByTheSubresource(t *testing.T) {
	t.Parallel()
	const replicas = "{manager: %s, operation: Update, subresource: '%s', fieldsV1: {'f:spec': {'f:replicas': {}}}}\n"
	for name, tt := range map[string]struct {
		manager, subresource string
		want                 bool
	}{
		"a HorizontalPodAutoscaler": {"kube-controller-manager", "scale", true},
		"kubectl scale":             {"kubectl", "scale", false},
		"an edit":                   {"kubectl-edit", "", false},
		"a controller":              {"kube-controller-manager", "", false},
	} {
		object := parse(t, configMapHead+ours+"  - "+fmt.Sprintf(replicas, tt.manager, tt.subresource))
		if got := Reduce(object).Autoscaled; got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestObjectsMayOptOut(t *testing.T) {
	t.Parallel()
	object := parse(t, configMapHead+ours)
	object.SetAnnotations(map[string]string{"fairlead.dev/drift": "ignore", "fairlead.dev/health": "ignore"})
	if got := Reduce(object); !got.IgnoresDrift || !got.IgnoresHealth {
		t.Errorf("%+v", got)
	}
	object.SetAnnotations(map[string]string{"fairlead.dev/drift": "yes", "fairlead.dev/health": ""})
	if got := Reduce(object); got.IgnoresDrift || got.IgnoresHealth {
		t.Errorf("%+v", got)
	}
}

// A message that is cut says so, for a mask to find the beginning of a secret in it.
func TestAMessageThatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery-staple"
	for _, left := range []int{8, 12, len(secret)} {
		text := strings.Repeat("x", maxMessage-left) + secret + strings.Repeat("y", 100)
		report := bounded(health.Report{Message: text, Quote: text})
		for _, got := range []string{report.Message, report.Quote} {
			if masked := redact.NewMask(secret).Apply(got + ": more"); len(got) > maxMessage ||
				strings.Contains(masked, secret[:5]) {
				t.Errorf("%d bytes of a secret are shown: %s", left, masked[maxMessage-60:])
			}
		}
	}
}
