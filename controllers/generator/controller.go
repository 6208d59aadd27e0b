package generator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

// fieldOwner owns what the controller writes.
const fieldOwner = "fairlead-generator"

// rejectedRetry is when an ExternalArtifact is written again that the API server has rejected.
const rejectedRetry = 5 * time.Minute

// declarations say which ExternalArtifacts a generator declares. The catalog implements it.
type declarations interface {
	// AdmitGenerator refuses a generator whose spec cannot be carried out.
	AdmitGenerator(generator *v1beta1.ArtifactGenerator) error
	// Outputs never waits: known is false while Expand has to read the directories of a source.
	Outputs(ctx context.Context, generator *v1beta1.ArtifactGenerator) (found []catalog.Output, known bool, err error)
	// Expand waits.
	Expand(ctx context.Context, generator *v1beta1.ArtifactGenerator) error
	// Declares reports whether a generator declares an ExternalArtifact, as far as that is known.
	Declares(generator *v1beta1.ArtifactGenerator, name string) bool
	// ForgetGenerator drops what is known of a generator that is gone.
	ForgetGenerator(key types.NamespacedName)
}

// handler implements loop.Handler.
type handler struct {
	cached   client.Reader
	writer   client.Client
	declared declarations
	// readings read the directories that a pathPattern stands for; their result is why they cannot be read.
	readings *loop.Tasks[error]
	events   events.EventRecorder
	now      func() time.Time
	jitter   loop.Jitter
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, g *v1beta1.ArtifactGenerator) (time.Duration, error) {
	if g.Spec.Suspend {
		return 0, nil
	}

	before := status.Message(g)
	again, err := h.reconcile(ctx, g)
	if message := status.Message(g); err == nil && message != before {
		h.tell(g, message)
	}

	return again, err
}

func (h *handler) reconcile(ctx context.Context, g *v1beta1.ArtifactGenerator) (time.Duration, error) {
	if err := h.declared.AdmitGenerator(g); err != nil {
		status.GeneratorFailed(g, catalog.FailureOf(err), h.now())
		return 0, nil
	}

	outputs, err := h.outputs(ctx, g)
	if err != nil {
		return h.undeclared(g, err), nil
	}

	own, err := h.deliver(ctx, g, outputs)
	if rejected := (*rejectedError)(nil); errors.As(err, &rejected) {
		status.GeneratorFailed(g, rejected.failure, h.now())
		return rejectedRetry, nil
	}
	if err != nil {
		return 0, err
	}
	if err := h.prune(ctx, g, outputs); err != nil {
		return 0, err
	}

	judge(own, outputs, g).record(g, h.now())
	return h.jitter.Spread(g.GetInterval()), nil
}

// Finalize implements loop.Handler. Generators have no finalizer: the garbage collector of the cluster deletes their
// ExternalArtifacts.
func (h *handler) Finalize(context.Context, *v1beta1.ArtifactGenerator) (bool, time.Duration, error) {
	return true, 0, nil
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) { h.declared.ForgetGenerator(key) }

func (h *handler) tell(g *v1beta1.ArtifactGenerator, message string) {
	event := status.Event{Reason: v1beta1.SucceededReason, Message: message}
	switch {
	case status.IsReady(g):
	case status.HasFailed(g):
		event.Warning = true
		event.Reason = status.Reason(g)
	default:
		return // it progresses
	}
	recorder := loop.EventRecorder{Events: h.events, Kind: v1beta1.ArtifactGeneratorKind, Action: status.ActionFetch}
	recorder.Emit(g, event)
}

// verdict is what the ExternalArtifacts of a generator say together.
type verdict struct {
	inventory []v1beta1.ExternalArtifactReference
	// waits are those that are not made by the present rules yet.
	waits []string
	// failed are those that cannot be made, and failure is the first one.
	failed  int
	failure status.Failure
}

// judge reads the ExternalArtifacts of a generator, one for each output; nil is one that is not in the cache yet.
func judge(own []*v1beta1.ExternalArtifact, outputs []catalog.Output, g *v1beta1.ArtifactGenerator) verdict {
	var v verdict
	for i, output := range outputs {
		reference := v1beta1.ExternalArtifactReference{Name: output.Name, Namespace: g.Namespace}
		artifact := own[i]
		if artifact != nil && artifact.Status.Artifact != nil {
			reference.Digest = artifact.Status.Artifact.Digest
		}

		v.inventory = append(v.inventory, reference)
		switch {
		case artifact == nil || artifact.Status.ObservedRules != output.Rules:
			v.waits = append(v.waits, output.Name)
		case status.IsReady(artifact):
		case status.HasFailed(artifact):
			v.fails(artifact)
		default:
			v.waits = append(v.waits, output.Name)
		}
	}
	return v
}

func (v *verdict) fails(artifact *v1beta1.ExternalArtifact) {
	v.failed++
	if v.failed > 1 && (v.failure.Final || !status.IsStalled(artifact)) {
		return
	}
	v.failure = status.Failure{
		Reason: status.Reason(artifact), Final: status.IsStalled(artifact),
		Message: fmt.Sprintf("ExternalArtifact %s: %s", artifact.Name, status.Message(artifact)),
	}
}

// record writes the verdict into the status.
func (v verdict) record(g *v1beta1.ArtifactGenerator, now time.Time) {
	status.GeneratorHolds(g, v.inventory)
	switch {
	case v.failed > 0:
		if v.failed > 1 {
			v.failure.Message += fmt.Sprintf("; %d more artifacts are not Ready", v.failed-1)
		}
		status.GeneratorFailed(g, v.failure, now)
	case len(v.waits) > 0:
		status.Progressing(g, fmt.Sprintf("making %d of %d artifacts, %s first", len(v.waits), len(v.inventory),
			v.waits[0]), now)
	default:
		status.GeneratorMade(g, now)
	}
}
