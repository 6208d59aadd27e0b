package drift

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"fairlead.dev/fairlead/test/build"
)

func podOf(spec string) string { return "{apiVersion: v1, kind: Pod, spec: " + spec + "}" }

func mainOf(fields string) string {
	return podOf("{containers: [{name: side}, {name: main, " + fields + "}]}")
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	conversion := "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {conversion: "
	hook := "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, " +
		"webhooks: [{name: a, clientConfig: "
	level := "{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: PriorityLevelConfiguration, spec: "
	deployment := "{apiVersion: apps/v1, kind: Deployment, spec: {strategy: "
	tests := []struct {
		name, live, wants string
		want              []string
	}{
		{"a strategy", deployment + "{type: RollingUpdate, rollingUpdate: {}}}}", deployment + "{type: Recreate}}}",
			[]string{".spec.strategy.rollingUpdate"}},
		{"the same strategy", deployment + "{type: RollingUpdate, rollingUpdate: {}}}}", deployment +
			"{type: RollingUpdate}}}", nil},
		{"a strategy that says no type", deployment + "{type: Recreate}}}", deployment +
			"{rollingUpdate: {maxSurge: 1}}}}",
			[]string{".spec.strategy.type"}},
		{"nothing is said of the strategy", deployment + "{type: Recreate}}}", deployment + "{}}}", nil},
		{"both are wanted", deployment + "{type: RollingUpdate, rollingUpdate: {}}}}",
			deployment + "{type: Recreate, rollingUpdate: {}}}}", nil},
		{"a volume", podOf("{volumes: [{name: b, emptyDir: {}}, {name: a, emptyDir: {}}]}"),
			podOf("{volumes: [{name: a, secret: {}}]}"),
			[]string{`.spec.volumes[name="a"].emptyDir`}},
		{"a volume that says no source", podOf("{volumes: [{name: a, emptyDir: {}}]}"),
			podOf("{volumes: [{name: a}]}"), nil},
		{"a probe", mainOf("startupProbe: {grpc: {port: 1}, periodSeconds: 3}"), mainOf("startupProbe: {exec: {}}"),
			[]string{`.spec.containers[name="main"].startupProbe.grpc`}},
		{"a handler", mainOf("lifecycle: {postStart: {sleep: {}}}"), mainOf("lifecycle: {postStart: {httpGet: {}}}"),
			[]string{`.spec.containers[name="main"].lifecycle.postStart.sleep`}},
		{"a variable", mainOf("env: [{name: A, value: a}]"), mainOf("env: [{name: A, valueFrom: {}}]"),
			[]string{`.spec.containers[name="main"].env[name="A"].value`}},
		{"a variable of a container that is new", mainOf("env: [{name: A, value: a}]"),
			strings.ReplaceAll(mainOf("env: [{name: A, valueFrom: {}}]"), "main", "new"), nil},
		{"an init container", strings.ReplaceAll(mainOf("env: [{name: A, value: a}]"), "containers", "initContainers"),
			strings.ReplaceAll(mainOf("env: [{name: A, valueFrom: {}}]"), "containers", "initContainers"),
			[]string{`.spec.initContainers[name="main"].env[name="A"].value`}},
		{"a profile", mainOf("securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}"),
			mainOf("securityContext: {seccompProfile: {type: RuntimeDefault}}"),
			[]string{`.spec.containers[name="main"].securityContext.seccompProfile.localhostProfile`}},
		{"the certificate that another client puts in", conversion +
			"{strategy: Webhook, webhook: {clientConfig: {caBundle: a}}}}}",
			conversion + "{strategy: None}}}", []string{".spec.conversion.webhook"}},
		{"a webhook", hook + "{service: {name: a}, caBundle: a}}]}", hook + "{url: a}}]}",
			[]string{`.webhooks[name="a"].clientConfig.service`}},
		{"a priority level", level + "{type: Limited, limited: {}}}", level + "{type: Exempt}}",
			[]string{".spec.limited"}},
		{"a DaemonSet, which may have both", strings.ReplaceAll(deployment, "Deployment", "DaemonSet") +
			"{rollingUpdate: {}}}}",
			strings.ReplaceAll(deployment, "Deployment", "DaemonSet") + "{type: OnDelete}}}", nil},
		{"a kind of somebody else's",
			"{apiVersion: a.example.com/v1, kind: Deployment, spec: {strategy: {rollingUpdate: {}}}}",
			"{apiVersion: a.example.com/v1, kind: Deployment, spec: {strategy: {type: Recreate}}}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range LeftoversOf(build.Object(t, tt.live),
				build.Object(t, tt.wants).Object).Fields(build.Object(t, tt.live), nil,
				nil) {
				got = append(got, f.Path)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The next apply removes only what explains the whole refusal.
func TestLeftoversExplain(t *testing.T) {
	t.Parallel()
	left := LeftoversOf(build.Object(t, mainOf("livenessProbe: {httpGet: {port: 1}}")), build.Object(t,
		mainOf("livenessProbe: {exec: {}}")).Object)
	probe := field.NewPath("spec", "containers").Index(1).Child("livenessProbe")
	invalid := func(fields ...*field.Path) error {
		var all field.ErrorList
		for _, f := range fields {
			all = append(all, field.Forbidden(f, "may not specify more than 1 handler type"))
		}
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", all)
	}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"the handler", invalid(probe.Child("httpGet")), true},
		{"the probe", invalid(probe), true},
		{"another field of the probe", invalid(probe.Child("periodSeconds")), false},
		{"another field too", invalid(probe.Child("httpGet"), field.NewPath("spec", "selector")), false},
		{"a field that begins alike", invalid(field.NewPath("spec", "containers").Index(1).Child("livenessProbes")),
			false},
		{"no field", invalid(), false},
		{"something else", apierrors.NewForbidden(schema.GroupResource{}, "a", errors.New("no")), false},
		{"no error", nil, false},
	}
	for _, tt := range tests {
		if got := left.Explain(tt.err); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	if (Leftovers{}).Explain(invalid(probe)) {
		t.Error("nothing explains something")
	}
}

// The leftover is owned by Fairlead alone afterwards; what other managers own stays theirs.
func TestLeftoversAreClaimed(t *testing.T) {
	t.Parallel()
	live := build.Object(t, "{apiVersion: apps/v1, kind: Deployment, spec: {strategy: {rollingUpdate: {maxSurge: 1}}}}")
	live.SetResourceVersion("7")
	entry := func(manager string, how metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: how, APIVersion: "apps/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(fields)}
	}
	live.SetManagedFields([]metav1.ManagedFieldsEntry{
		entry("helm", metav1.ManagedFieldsOperationApply, `{"f:spec":{"f:replicas":{}}}`),
		entry("kubectl", metav1.ManagedFieldsOperationUpdate,
			`{"f:spec":{"f:paused":{},"f:strategy":{"f:rollingUpdate":{"f:maxSurge":{}}}}}`),
		entry("editor", metav1.ManagedFieldsOperationUpdate,
			`{"f:spec":{"f:strategy":{"f:rollingUpdate":{"f:maxSurge":{}}}}}`),
	})
	left := LeftoversOf(live, build.Object(t,
		"{apiVersion: apps/v1, kind: Deployment, spec: {strategy: {type: Recreate}}}").Object)
	patch, err := left.Patch(live, "helm")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"path":"/metadata/resourceVersion","value":"7"`,
		`{"f:spec":{"f:replicas":{},"f:strategy":{"f:rollingUpdate":{}}}}`, `"fieldsV1":{"f:spec":{"f:paused":{}}}`,
	} {
		if !strings.Contains(string(patch), want) {
			t.Errorf("%s is not in %s", want, patch)
		}
	}
	if strings.Contains(string(patch), "editor") || strings.Contains(string(patch), "maxSurge") {
		t.Errorf("others still own it: %s", patch)
	}
}

func TestLeftoversArePreviewed(t *testing.T) {
	t.Parallel()
	live := build.Object(t,
		mainOf("image: a, terminationMessagePath: b, livenessProbe: {httpGet: {port: 1}, periodSeconds: 10}"))
	wants := build.Object(t, podOf("{containers: [{name: main, image: c, livenessProbe: {exec: {command: [d]}}}]}"))
	got := LeftoversOf(live, wants.Object).Without(live, wants.Object)
	want := build.Object(t, podOf("{containers: [{name: main, image: c, terminationMessagePath: b, "+
		"livenessProbe: {exec: {command: [d]}, periodSeconds: 10}}]}"))
	if fields := Subset(got, want.Object, nil); len(fields) > 0 {
		t.Errorf("got %v", fields)
	}
	if _, has,
		_ := unstructured.NestedMap(got.Object["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any),
		"livenessProbe", "httpGet"); has {
		t.Error("the leftover is still there")
	}
}
