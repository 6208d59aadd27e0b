package kustomization

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// turn is that of an attempt. It is over when the attempt is.
type turn struct {
	generation int64
	kind       fair.Kind
	// preview and repair are as in plan.Running, approved and repair as in plan.Plan.
	preview, repair bool
	approved        string
	// confirms is as in plan.Plan.
	confirms string
	// unwanted is closed when the attempt is not wanted any more, cancelled when the user asks to end it.
	unwanted, cancelled chan struct{}
	once, ended         sync.Once
}

// turns are those of the attempts that are under way. The zero value is ready to use.
type turns struct {
	mu sync.Mutex
	of map[types.NamespacedName]*turn
}

// begin notes an attempt, until it ends.
func (t *turns) begin(k *v1beta1.Kustomization, p plan.Plan) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[types.NamespacedName]*turn{}
	}
	begun := &turn{
		generation: k.Generation, kind: kindOf(p), preview: p.Step == plan.Preview, repair: p.Repair,
		approved: p.Approved, confirms: p.Confirms, unwanted: make(chan struct{}), cancelled: make(chan struct{}),
	}
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

// cancel ends the attempt of a Kustomization at the request of a user, whether or not it has begun.
func (t *turns) cancel(k *v1beta1.Kustomization) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if begun := t.of[client.ObjectKeyFromObject(k)]; begun != nil {
		begun.ended.Do(func() { close(begun.cancelled) })
	}
}

// running is the attempt that is being made for a Kustomization since so long. Its generation is that of the
// Kustomization when it is not known.
func (t *turns) running(k *v1beta1.Kustomization, elapsed time.Duration) *plan.Running {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := &plan.Running{Elapsed: elapsed, Generation: k.Generation}
	if begun := t.of[client.ObjectKeyFromObject(k)]; begun != nil {
		out.Generation = begun.generation
		out.Preview = begun.preview
		out.Repair = begun.repair
	}
	return out
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
