package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestGet(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	runGolden(t, []goldenCase{
		{"get-releases-health", world{objects: conditioned()}, "get releases"},
		{"get-releases-health-json", world{objects: conditioned()[:1]}, "get releases -o json"},
		{"get-releases", all, "get releases"},
		{"get-releases-all", all, "get releases -A"},
		{"get-releases-wide", all, "get releases -A -o wide"},
		{"get-releases-json", all, "get releases -n infra -o json"},
		{"get-releases-yaml", all, "get releases -n infra -o yaml"},
		{"get-releases-empty", world{}, "get releases -n lost"},
		{"get-releases-empty-all", world{}, "get releases -A"},
		{"get-releases-empty-json", world{}, "get releases -o json"},
		{"get-sources", all, "get sources -n infra"},
		{"get-sources-all", all, "get sources -A"},
		{"get-sources-wide", all, "get sources -A -o wide"},
		{"get-sources-json", all, "get sources -n infra -o json"},
		{"get-sources-empty", world{}, "get sources"},
		{"get-sources-empty-yaml", world{}, "get sources -A -o yaml"},
		{"get-unknown", all, "get relases"},
		{"get-nothing", all, "get"},
		{"get-named", all, "get releases shop api"},
		{"get-named-slash", all, "get HR/shop -o json"},
		{"get-named-unknown", all, "get releases shpo"},
		{"get-named-unknown-all", all, "get sources shpo -A"},
		{"get-kind-of-source", all, "get helmrepositories"},
		{"get-kind-of-source-empty", all, "get buckets -A"},
		{"get-group", all, "get helmreleases.fairlead.dev/shop"},
		{"get-unknown-far", all, "get deployments"},
		{"get-status", all, "get releases -A --status failed,Stalled"},
		{"get-status-none", all, "get releases --status Deleting -l app=shop"},
		{"get-status-unknown", all, "get releases --status broken"},
		{"get-selector", world{objects: selected()}, "get releases -l tier=test"},
		{"get-selector-sources", world{objects: selected()}, "get sources -l tier=test -o json"},
		{"get-selector-malformed", all, "get releases -l =,"},
		{"get-watch-json", all, "get releases -w -o json"},
		{"get-releases-terminal", onTerminal(80), "get releases -A"},
		{"get-releases-wide-terminal", onTerminal(200), "get releases -A"},
		{"get-releases-narrow-terminal", onTerminal(50), "get releases -A"},
		{"get-sources-terminal", onTerminal(80), "get sources -A"},
		{"get-unknown-format", all, "get releases -o xml"},
	})
}

// onTerminal is a cluster with an object in every phase, seen on a terminal.
func onTerminal(columns int) world { return world{objects: everything(), outWidth: columns} }

// selected are objects of which one of each kind has a label.
func selected() []client.Object {
	objects := everything()
	for _, o := range objects {
		if o.GetName() == "shop" || o.GetName() == "charts" {
			o.SetLabels(map[string]string{"tier": "test"})
		}
	}
	return objects
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	t.Parallel()
	w := world{objects: everything()}
	for _, command := range []string{"get releases -A", "get sources -A", "status release api", "history release shop", "version"} {
		args := strings.Fields(command)
		var fromJSON, fromYAML any
		if err := json.Unmarshal([]byte(w.run(t, append(args, "-o", "json")...).stdout), &fromJSON); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if err := yaml.Unmarshal([]byte(w.run(t, append(args, "-o", "yaml")...).stdout), &fromYAML); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
			t.Errorf("%s (-json +yaml):\n%s", command, diff)
		}
	}
}

// conditioned are releases with the conditions Healthy, Verified and Drifted.
func conditioned() []client.Object {
	var out []client.Object
	for i, change := range []func(*v1beta1.HelmRelease){verified, baking, drifted, failing} {
		hr := shop()
		change(hr)
		hr.Name = []string{"a-verified", "b-baking", "c-drifted", "d-failing"}[i]
		out = append(out, hr)
	}
	return out
}
