package view

import (
	"fmt"
	"testing"

	"fairlead.dev/fairlead/helmops/engine"
)

// A hook whose name is made at random is the same hook in each rendering; what else differs of it is a change.
func TestHooksWithRandomNames(t *testing.T) {
	t.Parallel()
	hooks := func(image string, names ...string) []engine.ContentHook {
		var out []engine.ContentHook
		for _, name := range names {
			out = append(out, engine.ContentHook{
				Kind: "Pod", Name: name, Events: []string{"test"},
				Manifest: fmt.Sprintf("kind: Pod\nmetadata: {name: %s}\nspec: {image: %s}\n", name, image),
			})
		}
		return out
	}
	for _, tt := range []struct {
		name            string
		from, to, again []engine.ContentHook
		want            string
	}{
		{
			"nothing else differs", hooks("a", "web-grpc-1x", "web-jwt-2y"), hooks("a", "web-grpc-3z", "web-jwt-4a"),
			hooks("a", "web-grpc-3b", "web-jwt-5c"), "web-grpc-… same, web-jwt-… same",
		},
		{
			"the image differs", hooks("a", "web-grpc-1x"), hooks("b", "web-grpc-3z"), hooks("b", "web-grpc-4b"),
			"web-grpc-… changed",
		},
		{
			"two with the same prefix", hooks("a", "web-1x", "web-2y"), hooks("a", "web-3z", "web-4a"),
			hooks("a", "web-5b", "web-6c"), "web-… same, web-… same",
		},
		{"the first release", nil, hooks("a", "web-1x"), hooks("a", "web-2y"), "web-… created"},
		{"no separator", hooks("a", "test1"), hooks("a", "test2"), hooks("a", "test3"), "test… same"},
		{"not random", hooks("a", "web-1"), hooks("a", "web-2"), hooks("a", "web-2"), "web-2 created, web-1 deleted"},
		{
			"renderings of different length", hooks("a", "web-1"), hooks("a", "web-2"), nil,
			"web-2 created, web-1 deleted",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, h := range hookDifferences(settledHooks(tt.from, tt.to, tt.again)) {
				if got != "" {
					got += ", "
				}
				got += h.Name + " " + h.Change
			}
			if got != tt.want {
				t.Errorf("it shows %q, want %q", got, tt.want)
			}
		})
	}
}
