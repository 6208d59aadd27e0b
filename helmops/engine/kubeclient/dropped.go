package kubeclient

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/drift"
)

// compareAnswer notes what the API server did not keep of an object that was just written. It costs no request.
func (c *Client) compareAnswer(info *resource.Info, wanted runtime.Object, answer *unstructured.Unstructured) {
	manifest, ok := wanted.(*unstructured.Unstructured)
	if !ok {
		return
	}
	c.noteDropped(info, drift.Dropped(answer, manifest.Object))
}

// noteDropped notes fields of an object that the API server did not keep. The last write of an object counts.
func (c *Client) noteDropped(info *resource.Info, fields []drift.Field) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dropped, id(info))
	if len(fields) > 0 {
		c.dropped[id(info)] = name(info) + " (" + drift.Named(fields) + ")"
	}
}

// Dropped names the objects of which the API server did not keep all that the action wrote, each once with the first
// few of the fields, sorted. Names can hold secrets.
func (c *Client) Dropped() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Values(c.dropped))
}
