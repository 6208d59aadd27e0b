package release

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Changes carries news from the engine to the controller, which are made one after the other: that another client
// wrote the records of a Helm release, or that the objects of a HelmRelease changed.
type Changes struct {
	mu    sync.Mutex
	tell  func(of, storageNamespace, release string)
	moved func(owner types.NamespacedName)
}

// NewChanges returns a carrier that drops everything until the controller listens.
func NewChanges() *Changes { return &Changes{} }

// RecordsChanged passes on that the records of a Helm release changed. of is the namespace of the HelmReleases whose
// kubeConfig leads to the cluster of the records; it is empty for the own cluster. It does not block.
func (c *Changes) RecordsChanged(of, storageNamespace, release string) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	if tell != nil {
		tell(of, storageNamespace, release)
	}
}

// ObjectsChanged passes on that objects of a HelmRelease changed. It does not block for long.
func (c *Changes) ObjectsChanged(owner types.NamespacedName) {
	c.mu.Lock()
	moved := c.moved
	c.mu.Unlock()
	if moved != nil {
		moved(owner)
	}
}

func (c *Changes) listen(
	tell func(of, storageNamespace, release string), moved func(owner types.NamespacedName),
) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell = tell
	c.moved = moved
}
