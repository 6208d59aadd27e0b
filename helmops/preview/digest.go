package preview

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Inputs are what a change is made from, besides what is rendered.
type Inputs struct {
	// From is the revision that runs, 0 for none.
	From int `json:"from"`
	// Chart, Config and Render are the digests of the chart, the values and the post-rendering.
	Chart  string `json:"chart"`
	Config string `json:"config"`
	Render string `json:"render,omitempty"`
	// KubeVersion is the version of the API server, which charts see.
	KubeVersion string `json:"kubeVersion"`
}

// Digest identifies the change: it is the same as long as the same inputs make the same objects from the same revision.
// What changes by itself with each rendering is not in it.
func (p Preview) Digest(in Inputs) string {
	encoded, _ := json.Marshal(struct { //nolint:errchkjson // nothing in it can fail
		Inputs
		Rendered string `json:"rendered"`
	}{in, p.rendered})
	sum := sha256.Sum256(encoded)
	return "sha256:" + hex.EncodeToString(sum[:])
}
