package release

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		spec            v1beta1.HelmReleaseSpec
		object, refused string
	}{
		{name: "the name of the object", object: "web"},
		{name: "a release name", object: "web", spec: v1beta1.HelmReleaseSpec{ReleaseName: "web-1.prod"}},
		{name: "an underscore", object: "web", spec: v1beta1.HelmReleaseSpec{ReleaseName: "Bad_Name"}, refused: `"Bad_Name"`},
		{name: "a dot at the end", object: "web", spec: v1beta1.HelmReleaseSpec{ReleaseName: "web."}, refused: `"web."`},
		{name: "a long name", object: "web", spec: v1beta1.HelmReleaseSpec{ReleaseName: strings.Repeat("a", 54)}, refused: `aaa"`},
		{name: "a namespace", object: "web", spec: v1beta1.HelmReleaseSpec{TargetNamespace: "Bad_Name"}, refused: `"Bad_Name-web"`},
		{name: "a long name of an object", object: strings.Repeat("a", 200)},
		{name: "a name that is cut behind a dot", object: strings.Repeat("a", 39) + "." + strings.Repeat("b", 20), refused: `a.-`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := &v1beta1.HelmRelease{Spec: tt.spec}
			hr.Name = tt.object
			err := CheckName(hr)
			if (err != nil) != (tt.refused != "") {
				t.Fatalf("error %v, want %q", err, tt.refused)
			}
			if err == nil {
				return
			}
			for _, part := range []string{tt.refused, "set another spec.releaseName"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want one with %q", err, part)
				}
			}
		})
	}
}
