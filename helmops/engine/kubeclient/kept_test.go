package kubeclient

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/build"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// With disableTakeOwnership an object without an owner is refused, unless it is one that the release had before and
// left in the cluster. Helm asks whether an object exists before it creates it: of such a one the answer is no.
func TestWhatWasKeptBecomesPartOfTheReleaseAgain(t *testing.T) {
	t.Parallel()
	const claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: apps}}"
	kept := v1beta1.KeptObject{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "data", Reason: "holds data"}
	other, elsewhere, ofGroup := kept, kept, kept
	other.Name, elsewhere.Namespace, ofGroup.Group = "other", "web", "example.com"
	for name, tt := range map[string]struct {
		before []v1beta1.KeptObject
		taken  bool
	}{
		"it was kept":                  {before: []v1beta1.KeptObject{other, kept}, taken: true},
		"nothing was kept":             {},
		"another name was kept":        {before: []v1beta1.KeptObject{other}},
		"one in another namespace was": {before: []v1beta1.KeptObject{elsewhere}},
		"one of another group was":     {before: []v1beta1.KeptObject{ofGroup}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &Client{options: Options{
				Release: "web", Namespace: "apps", KeepForeign: true, Keep: Keep{Before: tt.before},
			}}
			info, live := infoOf(t, claim), build.Object(t, claim)
			err := c.mine(info, live)
			if taken := err == nil; taken != tt.taken {
				t.Errorf("taking it over: %v", err)
			}
			body, err := json.Marshal(live.Object)
			if err != nil {
				t.Fatal(err)
			}
			server := roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, nil
			})
			asked := &answer{prober: &prober{client: c, info: info}, next: server}
			response, err := asked.RoundTrip(httptest.NewRequest(http.MethodGet, "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if absent := response.StatusCode == http.StatusNotFound; absent != tt.taken {
				t.Errorf("Helm gets the answer %d", response.StatusCode)
			}
		})
	}
}
