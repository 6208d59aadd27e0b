package release

import (
	"sync"
)

// Changes carries the news that somebody else wrote the records of a Helm release from the engine to the controller, which
// are made one after the other.
type Changes struct {
	mu   sync.Mutex
	tell func(storageNamespace, release string)
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

func (c *Changes) listen(tell func(storageNamespace, release string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell = tell
}
