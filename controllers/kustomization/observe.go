package kustomization

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// pass is one pass of the loop over a Kustomization: what it asks for, what is known of it, and the inputs of an
// attempt.
type pass struct {
	k        *v1beta1.Kustomization
	desired  plan.Desired
	observed plan.Observed
	inputs   inputs
}

// observe records an attempt that has ended, and gathers what is known without looking anything up.
func (h *handler) observe(ctx context.Context, k *v1beta1.Kustomization) *pass {
	key := client.ObjectKeyFromObject(k)
	news := h.collectResult(ctx, k)
	elapsed, running := h.tasks.Running(key)
	if running {
		return h.passOf(k, h.turns.running(k, elapsed), news)
	}
	if k.DeletionTimestamp.IsZero() {
		h.follow(k, k.Status.Released != nil || refused(k))
	}

	return h.passOf(k, nil, news)
}

func (h *handler) passOf(k *v1beta1.Kustomization, running *plan.Running, news bool) *pass {
	key := client.ObjectKeyFromObject(k)
	h.mu.Lock()
	defer h.mu.Unlock()
	return &pass{
		k:       k,
		desired: plan.DesiredOf(k, h.audit(k)),
		observed: plan.Observed{
			Attempt:  plan.AttemptOf(&k.Status),
			Ready:    status.IsReady(k),
			Awaiting: status.IsAwaitingApproval(k),
			Planned:  plan.PlannedOf(&k.Status),

			Unconfirmed: status.UnconfirmedDigest(k),
			Inventory:   len(inventoryOf(k)),
			Released:    k.Status.Released,
			Running:     running,
			News:        news,
			Awaited:     h.awaited[key],
			Audited:     h.audited[key],
			Truce:       h.fightBackoff[key],
			Repairs:     h.repairable[key],
			Replans:     h.replans[key],
		},
	}
}

// decide looks up what the plan needs until it is a step to take.
func (h *handler) decide(ctx context.Context, pass *pass) (plan.Plan, error) {
	for {
		p := plan.Decide(pass.desired, pass.observed, h.now())
		if p.Step != plan.Need {
			return p, nil
		}
		if err := h.lookUp(ctx, pass, p.Fact); err != nil {
			return plan.Plan{}, err
		}
	}
}

// lookUp fills in a fact.
func (h *handler) lookUp(ctx context.Context, pass *pass, fact plan.Fact) (err error) {
	k := pass.k
	o := &pass.observed
	switch fact {
	case plan.FactInputs:
		o.Inputs, err = h.inputsOf(ctx, pass)
	case plan.FactObjects:
		o.Freed = h.freed(k, pass.inputs.access) //nolint:contextcheck // a watch outlives the look
		o.Objects = h.look(k, pass.inputs)       //nolint:contextcheck // a watch outlives the look
	case plan.FactTakers:
		o.Takers = &plan.Takers{Names: h.takersNow(ctx, pass)}
	case plan.FactDependencies:
		o.Dependencies, err = h.dependenciesOf(ctx, pass)
	case plan.FactApprovals:
		key := client.ObjectKeyFromObject(k)
		var known approval.Plans
		known, err = h.approvals.Of(ctx, v1beta1.KustomizationKind, key, pass.desired.Sync.Approvals)
		o.Approvals = &known
	case plan.FactIdentity:
		o.Identity, err = h.identityOf(ctx, pass)
	case plan.FactNamespace:
		var terminating bool
		terminating, err = h.identities.Terminating(ctx, k.Namespace)
		o.Namespace = &plan.Namespace{Terminating: terminating}
	default:
		return fmt.Errorf("the fact %q of Kustomization %s cannot be looked up", fact, client.ObjectKeyFromObject(k))
	}

	return err
}

// inputsOf gathers the inputs of an attempt.
func (h *handler) inputsOf(ctx context.Context, pass *pass) (*plan.Inputs, error) {
	k := pass.k
	in, err := h.gather(ctx, k)
	if err == nil {
		exceeded := h.engine.Exceeded(in.access) //nolint:contextcheck // a site outlives who asks for it first
		if exceeded != nil {
			err = refs.Unreachable(exceeded, k.Namespace, k.Spec.KubeConfig, k.GetInterval())
		}
	}
	if err != nil {
		obstacle, err := obstacleIn(err)
		return &plan.Inputs{Obstacle: obstacle}, err
	}

	pass.inputs = in
	pass.desired.Windows = in.windows
	pass.desired.Freezes = in.freezes
	found := &plan.Inputs{Digest: in.digest, Revision: in.artifact.Revision}
	if in.former != nil {
		found.Former = in.former.digest
	}

	return found, nil
}

// dependenciesOf checks spec.dependsOn.
func (h *handler) dependenciesOf(ctx context.Context, pass *pass) (*plan.Dependencies, error) {
	err := h.dependencies.Check(ctx, pass.k, pass.inputs.access)
	if err == nil {
		err = h.dependenciesAtRevision(ctx, pass.k, pass.inputs)
	}
	if err == nil {
		return &plan.Dependencies{}, nil
	}
	obstacle, err := obstacleIn(err)
	return &plan.Dependencies{Obstacle: obstacle}, err
}

// identityOf finds out as whom objects are deleted, and whether what kept them from being deleted is gone.
func (h *handler) identityOf(ctx context.Context, pass *pass) (*plan.Identity, error) {
	access, err := h.access(ctx, pass.k)
	if err != nil {
		if !refs.IsObstacle(err) {
			return nil, err
		}
		return &plan.Identity{Obstacle: &plan.Obstacle{Reason: refs.ReasonOf(err), Message: err.Error()}}, nil
	}

	pass.inputs.access = access
	pass.observed.Freed = h.freed(pass.k, access) //nolint:contextcheck // a watch outlives the look
	return &plan.Identity{}, nil
}

// takersNow names the Kustomizations that may still take over objects: those that were released, or all of one that is
// being deleted.
func (h *handler) takersNow(ctx context.Context, pass *pass) []string {
	if !pass.k.DeletionTimestamp.IsZero() {
		return h.heirs(ctx, pass.k)
	}
	names := h.claimants(ctx, pass.k, pass.inputs.artifact.Revision)
	status.KustomizationAwaits(pass.k, names)
	return names
}

// obstacleIn returns the obstacle that an error is about, and other errors as they are.
func obstacleIn(err error) (*plan.Obstacle, error) {
	if catalog.IsPending(err) {
		return &plan.Obstacle{Message: err.Error(), Fetching: true}, nil
	}

	var reading *refs.PendingReadError
	if errors.As(err, &reading) {
		return &plan.Obstacle{Message: err.Error(), Reading: true, Took: reading.Took}, nil
	}

	var known *refs.ObstacleError
	if !errors.As(err, &known) {
		return nil, err
	}

	return &plan.Obstacle{
		Reason: known.Reason, Message: known.Message, Final: known.Final, After: known.After,
	}, nil
}

// audit is when to look again although nothing happened.
func (h *handler) audit(k *v1beta1.Kustomization) time.Duration {
	return h.jitter.Spread(k.GetInterval())
}
