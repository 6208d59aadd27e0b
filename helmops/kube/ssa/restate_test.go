package ssa

import (
	"errors"
	"strings"
	"testing"
)

func TestUnconvertible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"failed to prune fields: failed to convert merged object to last applied version: .spec.holes: field not declared in schema": true,
		"failed to convert new object: .spec.holes: field not declared in schema":                                                    true,
		"failed to create typed patch object (a/b; x/v1, Kind=X): .spec.holes: field not declared in schema":                         false,
	} {
		if got := IsUnconvertible(errors.New(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	if IsUnconvertible(nil) {
		t.Error("no error is one")
	}
}

func TestRestated(t *testing.T) {
	t.Parallel()
	live := parsed(t, `
apiVersion: example.dev/v2
kind: Gear
metadata:
  name: one
  resourceVersion: "7"
  managedFields:
  - {manager: helm, operation: Apply, apiVersion: example.dev/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:teeth": {}}}}
  - {manager: gearbox, operation: Update, subresource: status, apiVersion: example.dev/v1, fieldsType: FieldsV1, fieldsV1: {"f:status": {}}}
  - {manager: kubectl, operation: Update, apiVersion: example.dev/v2, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:holes": {}}}}
`)
	patch, err := RestatePatch(live)
	if err != nil {
		t.Fatal(err)
	}
	text := string(patch)
	for _, part := range []string{
		`"manager":"helm"`, `"manager":"gearbox"`, `"manager":"kubectl"`, `"subresource":"status"`, `{"f:teeth":{}}`,
		`"value":"7"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the patch lacks %s: %s", part, text)
		}
	}
	if strings.Contains(text, "example.dev/v1") || strings.Count(text, "example.dev/v2") != 3 {
		t.Errorf("not all entries are of the version of the object: %s", text)
	}
	kept := parsed(t,
		"apiVersion: example.dev/v2\nkind: Gear\nmetadata: {name: one, managedFields: [{manager: helm, operation: Apply, apiVersion: example.dev/v2}]}")
	if patch, err := RestatePatch(kept); err != nil || patch != nil {
		t.Errorf("nothing is to be changed: %s, %v", patch, err)
	}
}
