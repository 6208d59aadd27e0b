package oci

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"fairlead.dev/fairlead/test/servers"
)

// A bundle that is attached is found among the referrers, with every registry.
func TestAttach(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kind(t, servers.Options{})
			digest, _ := push(t, server, "1.0.0")
			r := open(t, server, nil)
			for _, text := range []string{`{"n":1}`, `{"n":2}`} {
				err := r.Attach(t.Context(), digest, bundleType+".v0.3+json", "https://example.com/v1", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
			}
			found, _, err := r.Signatures(t.Context(), digest)
			if err != nil || len(found) != 2 || string(found[0].Bundle) != `{"n":1}` {
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
}

// A registry that does not list what was attached is an error.
func TestAttachIsLost(t *testing.T) {
	t.Parallel()
	index := "-"
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/manifests/"+index) {
			return false
		}
		w.WriteHeader(http.StatusCreated) // and forgets it
		return true
	}})
	digest, _ := push(t, server, "1.0.0")
	index = signatureTag(digest)
	err := open(t, server, nil).Attach(t.Context(), digest, bundleType, "https://example.com/v1", []byte("{}"))
	if !errors.Is(err, ErrNotTransferred) {
		t.Errorf("got %v", err)
	}
}
