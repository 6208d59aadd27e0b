package engine

import (
	"sync"

	"fairlead.dev/fairlead/helmops/kube/redact"
)

// found are the Secrets that an action has read. Their content is looked at only when a text has to be masked.
type found struct {
	mu      sync.Mutex
	objects []map[string]any
	// mask hides the first of the objects, as many as masked says.
	mask   redact.Mask
	masked int
}

func (f *found) add(object map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects = append(f.objects, object)
}

// with returns a mask that hides the Secrets besides what base hides.
func (f *found) with(base redact.Mask) redact.Mask {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.masked == len(f.objects) && f.masked > 0 {
		return f.mask
	}

	var content []any
	for _, object := range f.objects {
		content = append(content, redact.SecretContent(object)...)
	}

	f.mask, f.masked = base.Join(redact.NewMask(content...)), len(f.objects)
	return f.mask
}

// mask hides what came from Secrets, and what the Secrets of the release hold.
func (r *run) mask() redact.Mask { return r.secrets.with(r.Mask) }
