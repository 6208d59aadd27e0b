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

// Rendered is the digest of what would run, without what changes by itself.
func (p Preview) Rendered() string { return p.rendered }

// Digest identifies the change: it is the same as long as the same inputs make the same objects from the same revision.
// What changes by itself with each rendering is not in it.
func (p Preview) Digest(in Inputs) string { return digestOf(in, p.rendered) }

// Digest is the digest of the Preview of an input that is made from the inputs. It takes less than to make the preview,
// and looks neither at what runs nor at what is kept: the revision stands for them.
func Digest(in Input, made Inputs) (string, error) {
	rendered, err := stableDigest(in)
	if err != nil {
		return "", err
	}
	return digestOf(made, rendered), nil
}

func digestOf(in Inputs, rendered string) string {
	encoded, _ := json.Marshal(struct { //nolint:errchkjson // nothing in it can fail
		Inputs
		Rendered string `json:"rendered"`
	}{in, rendered})
	sum := sha256.Sum256(encoded)
	return "sha256:" + hex.EncodeToString(sum[:])
}
