package ssa

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWrongTypesAreOneLine(t *testing.T) {
	t.Parallel()
	env := func(name string) any { return map[string]any{"name": name} }
	content := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "spec": map[string]any{
		"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "side"},
			map[string]any{
				"name": "main", "env": []any{env("A"), env("B"), env("C")},
				"ports": []any{map[string]any{"containerPort": int64(53)}, map[string]any{"containerPort": int64(80)}},
			},
		}}},
	}}
	typed := func(text string) error {
		return status(http.StatusInternalServerError, metav1.StatusReasonInternalError,
			"failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "+text)
	}
	got := func(value string) string { return ", got &value.valueUnstructured{Value:" + value + "}" }
	main := `.spec.template.spec.containers[name="main"]`
	large := strings.Repeat(`\"x\":{},`, 500)
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"a number", typed(main + `.env[name="C"].value: expected string` + got("8765432")),
			"spec.template.spec.containers[1].env[2].value: is a number, must be a string"},
		{"several", typed("errors:\n  " + main + `.env[name="A"].value: expected string` + got("true") +
			"\n  .spec.replicas: expected numeric (int or float)" + got(`"`+canary+`"`)),
			"spec.template.spec.containers[1].env[0].value: is a boolean, must be a string, " +
				"spec.replicas: is a string, must be a number"},
		{"a key that is defaulted", typed(main + `.ports[containerPort=80,protocol="TCP"].name: expected string` +
			got("1")),
			"spec.template.spec.containers[1].ports[1].name: is a number, must be a string"},
		{"an item that is not found", typed(`.spec.list[name="` + canary + `"].a: expected list` +
			got(`map[string]interface {}{"a":1}`)),
			"spec.list[…].a: is an object, must be a list"},
		{"a decoder", status(http.StatusBadRequest, metav1.StatusReasonBadRequest,
			`Deployment in version "v1" cannot be handled as a `+
				`Deployment: json: cannot unmarshal number 8765432 `+
				`into Go struct field EnvVar.spec.template.spec.containers.env.value of type string`),
			"spec.template.spec.containers.env.value: is a number, must be a string"},
		{"a patch that is quoted", status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
			` "" is invalid: patch: Invalid value: "{`+
				large+canary+`}": json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`),
			"spec.replicas: is a string, must be a whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			refused := Mistyped("Deployment shop/web", false, content, tt.err)
			if refused == nil {
				t.Fatal("it is no fault of type")
			}
			if refused.Error() != "Deployment shop/web: "+want {
				t.Errorf("got  %q\nwant %q", refused, want)
			}
			if !refused.Decided() || !refused.Final() {
				t.Error("the same object may be tried again")
			}
			for _, text := range []string{RewordedIn(tt.err, false, content).Error(), Reworded(fmt.Errorf("a: %w",
				tt.err), false).Error(), refused.Error()} {
				if len(text) > 300 || strings.Contains(text, "\n") || strings.Contains(text, canary[:5]) ||
					strings.Contains(text, "8765432") {
					t.Errorf("not one short line without values: %q", text)
				}
			}
			if !errors.Is(RewordedIn(tt.err, false, content), tt.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

// What may be written in another way is no fault of type.
func TestOtherFaultsAreNotOfType(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
		`failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.env: duplicate entries for key [name="A"]`,
		"connection refused",
	} {
		if got := Mistyped("a", false, nil, errors.New(text)); got != nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if Mistyped("a", false, nil, nil) != nil {
		t.Error("no error is one")
	}
}
