package release

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Changes carries news from the engine to the controller, which are made one after the other: that somebody else wrote the
// records of a Helm release, or that the objects of a HelmRelease changed.
type Changes struct {
	mu    sync.Mutex
	tell  func(storageNamespace, release string)
	moved func(owner types.NamespacedName)
}

// NewChanges returns a carrier that drops everything until the controller listens.
func NewChanges() *Changes { return &Changes{} }

// Tell passes news on. It does not block.
func (c *Changes) Tell(storageNamespace, release string) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	if tell != nil {
		tell(storageNamespace, release)
	}
}

// Moved passes on that objects of a HelmRelease changed. It does not block for long.
func (c *Changes) Moved(owner types.NamespacedName) {
	c.mu.Lock()
	moved := c.moved
	c.mu.Unlock()
	if moved != nil {
		moved(owner)
	}
}

func (c *Changes) listen(tell func(storageNamespace, release string), moved func(owner types.NamespacedName)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell, c.moved = tell, moved
}
