package kustomization

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// turn is that of an attempt. It is over when the attempt is.
type turn struct {
	generation int64
	kind       fair.Kind
	unwanted   chan struct{}
	once       sync.Once
}

// turns are those of the attempts that are under way. The zero value is ready to use.
type turns struct {
	mu sync.Mutex
	of map[types.NamespacedName]*turn
}

// begin notes an attempt, until it ends.
func (t *turns) begin(k *v1beta1.Kustomization, kind fair.Kind) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[types.NamespacedName]*turn{}
	}
	begun := &turn{generation: k.Generation, kind: kind, unwanted: make(chan struct{})}
	t.of[client.ObjectKeyFromObject(k)] = begun
	return begun
}

func (t *turns) end(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, key)
}

// supersede ends the attempt of a Kustomization if it waits for its turn. One that has begun is finished.
func (t *turns) supersede(k *v1beta1.Kustomization) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if begun := t.of[client.ObjectKeyFromObject(k)]; begun != nil {
		begun.once.Do(func() { close(begun.unwanted) })
	}
}

// generation is that of the attempt that is being made for a Kustomization; its own when that is not known.
func (t *turns) generation(k *v1beta1.Kustomization) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if begun := t.of[client.ObjectKeyFromObject(k)]; begun != nil {
		return begun.generation
	}
	return k.Generation
}

// place waits until few others have objects in memory that they do not write yet. What is for other clusters waits
// apart: their API servers may take long to answer, or never do.
func (h *handler) place(ctx context.Context, k *v1beta1.Kustomization, in inputs, t *turn) (*fair.Slot, error) {
	shares := h.builds
	if in.access.Kubeconfig != nil {
		shares = h.remoteBuilds
	}
	return shares.TakeFor(ctx, k.Namespace, fair.Work{Kind: t.kind, Unwanted: t.unwanted})
}

// waiting is how many attempts wait for their turn.
func (h *handler) waiting() int {
	_, local, _ := h.builds.Count()
	_, remote, _ := h.remoteBuilds.Count()
	return local + remote
}
