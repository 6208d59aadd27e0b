package loop

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

func versioned(version, uid, message string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name}}
	hr.ResourceVersion, hr.UID = version, types.UID(uid)
	hr.Status.StorageNamespace = message
	return hr
}

func TestWrittenIsUsedWhileTheCacheIsBehind(t *testing.T) {
	tests := []struct {
		name string
		// wrote is what this process wrote last, cached is what the cache has; own is set when the former is to be used.
		wrote, cached *v1beta1.HelmRelease
		own           bool
	}{
		{name: "nothing was written", cached: versioned("5", "a", "cache")},
		{name: "the cache is behind", wrote: versioned("7", "a", "own"), cached: versioned("5", "a", "cache"), own: true},
		{
			name: "versions are numbers, not texts", wrote: versioned("10", "a", "own"), cached: versioned("9", "a", "cache"),
			own: true,
		},
		{name: "the cache has caught up", wrote: versioned("7", "a", "own"), cached: versioned("7", "a", "cache")},
		{name: "the cache is ahead", wrote: versioned("7", "a", "own"), cached: versioned("8", "a", "cache")},
		{name: "the object was made anew", wrote: versioned("7", "a", "own"), cached: versioned("5", "b", "cache")},
		{name: "the version is no number", wrote: versioned("7", "a", "own"), cached: versioned("x", "a", "cache")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var w Written[*v1beta1.HelmRelease]
			if tt.wrote != nil {
				w.Remember(tt.wrote)
			}
			want := "cache"
			if tt.own {
				want = "own"
			}
			got := w.Newer(web, tt.cached)
			if got.Status.StorageNamespace != want {
				t.Errorf("got what is %q, want %q", got.Status.StorageNamespace, want)
			}
			got.Status.StorageNamespace = "changed"
			if tt.cached.Status.StorageNamespace != "cache" {
				t.Error("the object of the cache was handed out")
			}
			if again := w.Newer(web, tt.cached); again.Status.StorageNamespace != want {
				t.Errorf("the second time it is %q", again.Status.StorageNamespace)
			}
			if _, kept := w.objects[web]; kept != tt.own {
				t.Errorf("kept %v, want what was written to be kept as long as it is needed", kept)
			}
		})
	}
}

func TestWrittenForgets(t *testing.T) {
	t.Parallel()
	var w Written[*v1beta1.HelmRelease]
	w.Remember(versioned("7", "a", "own"))
	w.Forget(web)
	if got := w.Newer(web, versioned("5", "a", "cache")); got.Status.StorageNamespace != "cache" {
		t.Errorf("got what is %q after it was forgotten", got.Status.StorageNamespace)
	}
}

func TestPrecedes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"1", "2", true}, {"2", "1", false}, {"2", "2", false}, {"9", "10", true},
		{"18446744073709551614", "18446744073709551615", true},
		{"", "1", false}, {"1", "", false}, {"x", "1", false}, {"1", "x", false}, {"-1", "1", false},
	}
	for _, tt := range tests {
		if got := precedes(tt.a, tt.b); got != tt.want {
			t.Errorf("precedes(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}
