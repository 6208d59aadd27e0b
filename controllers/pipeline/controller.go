package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// again is when what was decided is done: after the status was written.
const again = 100 * time.Millisecond

// Catalog answers which chart a choice stands for.
type Catalog interface {
	// Chart returns the chart that a choice stands for now, without waiting; see catalog.Catalog.
	Chart(ctx context.Context, choice catalog.ChartRef) (v1beta1.ChartRevision, error)
	// Origin is where a chart that Chart returned can be fetched again; empty when that is not known.
	Origin(ctx context.Context, choice catalog.ChartRef, chart v1beta1.ChartRevision) string
	// OutOfRange says that a choice does not allow a version; nil when it does.
	OutOfRange(ctx context.Context, choice catalog.ChartRef, version string) error
	// Names are the names of the charts that a choice lists; see catalog.Catalog.
	Names(ctx context.Context, choice catalog.ChartRef) ([]string, error)
	// Kept says why the answer to a choice is kept although upstream no longer offers it; nil when upstream offers it.
	Kept(ctx context.Context, choice catalog.ChartRef) error
}

// handler implements loop.Handler for ReleasePipelines.
type handler struct {
	// cached reads the cache, live the API server. writer writes what the controller makes.
	cached client.Reader
	live   client.Reader
	writer client.Client
	charts Catalog
	events events.EventRecorder
	// wrote are the sources of stages that were written, until the cache has them.
	wrote wrote
	// stamped reports whether the API server checks who makes an approval.
	stamped    func(context.Context) (bool, error)
	now        func() time.Time
	checks     *checks
	signatures *signatures
	// noFreezes leaves freezes out.
	noFreezes bool
	copies    *copies
	// attestations are those that gates ask for.
	attestations *attestations
	// files are those of shared values, maps the ConfigMaps of stages with them.
	files *sharedFiles
	maps  goodMaps
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, p *v1beta1.ReleasePipeline) (time.Duration, error) {
	if p.Spec.Subject.Charts != nil {
		return h.expand(ctx, p)
	}
	return h.promote(ctx, p)
}

// promote brings a pipeline of one chart closer to what it asks for.
func (h *handler) promote(ctx context.Context, p *v1beta1.ReleasePipeline) (time.Duration, error) {
	if p.Spec.Suspend {
		h.copies.forget(client.ObjectKeyFromObject(p))
		return 0, nil
	}
	now := h.now().Truncate(time.Second) // as the API keeps it
	status.PipelineObserved(p)
	repeat := p.Status.LastHandledReconcileAt != p.Annotations[v1beta1.ReconcileRequestAnnotation]
	status.PipelineAnswered(p, p.Annotations[v1beta1.ReconcileRequestAnnotation])
	if message := v1beta1.UnsupportedMessage(p); message != "" {
		status.Stalled(p, v1beta1.UnsupportedReason, message, now)
		return 0, nil
	}
	checks, err := h.checks.of(p)
	if err = cmp.Or(check(p), err); err != nil {
		reason := cmp.Or(sources.Reason(err), v1beta1.InvalidReferenceReason)
		status.Stalled(p, reason, err.Error(), now)
		return 0, nil
	}
	restored, err := h.rebuild(ctx, p, now)
	if err != nil {
		return 0, err
	}
	h.recordEvent(p, restored)
	reset(p)
	if err := errors.Join(h.deliver(ctx, p), h.audit(ctx, p), h.contract(ctx, p)); err != nil {
		return h.failed(p, err, now)
	}
	lost, err := h.deliverValues(ctx, p)
	if err != nil {
		return h.failed(p, err, now)
	}
	copied, err := h.copy(ctx, p, repeat, now)
	if err != nil {
		return h.failed(p, err, now)
	}
	in, err := h.gather(ctx, p)
	if err != nil {
		return 0, err
	}
	in.checks, in.signatures = checks, h.signatures.of(p)
	subject := h.look(ctx, p, now)
	facts := factsOf(p, in)
	if err := h.attest(ctx, p, &facts, now); err != nil {
		return h.failed(p, err, now)
	}
	decisions := promotion.Decide(facts, now)
	h.signatures.ask(p, decisions)
	out := record(p, facts, decisions, now)
	h.recordEvent(p, out.events)
	out.next = sooner(sooner(out.next, copied), h.files.again(client.ObjectKeyFromObject(p)))
	kept := h.noteKept(ctx, p)
	h.conclude(p, in, subject, now)
	concludeKept(p, kept, now)
	concludeLost(p, lost, now)
	if quorum(p) != "" && !in.stamped {
		out.next = sooner(out.next, now.Add(refs.ApproversRemembered)) // no watch covers the policy
	}
	if out.acted {
		return h.actThen(ctx, p), nil
	}
	return out.after(h.now()), nil
}

// concludeLost says which shared values a stage lacks.
func concludeLost(p *v1beta1.ReleasePipeline, lost string, now time.Time) {
	if lost != "" {
		status.Stalled(p, v1beta1.ValuesErrorReason, lost, now)
	}
}

// actThen delivers what was decided once the status is written, and returns when the rest of it is done.
func (h *handler) actThen(ctx context.Context, p *v1beta1.ReleasePipeline) time.Duration {
	loop.Then(ctx, func(ctx context.Context) { h.act(ctx, p) })
	return again
}

// act points the sources of the stages to what was decided, once the status says it; not of a pipeline that a user has
// suspended or deleted meanwhile. What fails here is done, or reported, by the next Reconcile, which writes the
// records, too.
func (h *handler) act(ctx context.Context, p *v1beta1.ReleasePipeline) {
	if p.Spec.Suspend || !p.DeletionTimestamp.IsZero() {
		return
	}
	if err := h.deliver(ctx, p); err != nil {
		log.FromContext(ctx).V(1).Info("the sources of the stages are not all written yet", "cause", err.Error())
	}
}

// reset forgets rejections and failures that hold a stage when a user asks for that.
func reset(p *v1beta1.ReleasePipeline) {
	token := v1beta1.SpecialRequest(p, v1beta1.ResetRequestAnnotation, p.Status.LastHandledResetAt)
	if token != "" {
		status.PipelineReset(p, token)
	}
}

// failed says why what was decided cannot be done.
func (h *handler) failed(p *v1beta1.ReleasePipeline, err error, now time.Time) (time.Duration, error) {
	var foreign *foreignError
	if errors.As(err, &foreign) {
		status.Stalled(p, v1beta1.OwnedByOtherReason, foreign.Error(), now)
		return 0, nil
	}

	var e *sources.Error
	if errors.As(err, &e) && !e.Retryable() {
		status.Stalled(p, e.Reason(), e.Error(), now)
		return 0, nil
	}

	return 0, err
}

// look asks the catalog for the chart of the subject, and remembers it, with the shared values, as a candidate.
func (h *handler) look(ctx context.Context, p *v1beta1.ReleasePipeline, now time.Time) error {
	choice := catalog.ChoiceOfPipeline(p)
	chart, err := h.charts.Chart(ctx, choice)
	if err != nil {
		return err
	}

	shared, err := h.files.of(ctx, p)
	if err != nil {
		return err
	}
	if err := h.keep(ctx, p, shared); err != nil {
		return err
	}

	h.tellMoved(p, chart)
	addCandidate(p, chart, shared.digest, now)
	setOrigin(p, chart.Digest, h.charts.Origin(ctx, choice, chart))
	return h.outdated(ctx, p)
}

// conclude sets the conditions.
func (h *handler) conclude(p *v1beta1.ReleasePipeline, in inputs, subject error, now time.Time) {
	var e *sources.Error
	stage := quorum(p)
	switch {
	case stage != "" && !in.stamped:
		status.Stalled(p, v1beta1.UnsupportedReason,
			fmt.Sprintf("stage %s wants more than one approver, or approvers of groups, and the cluster "+
				"does not have the ValidatingAdmissionPolicy of Fairlead that checks who approves", stage), now)
	case errors.As(subject, &e) && !e.Retryable():
		status.Stalled(p, e.Reason(), e.Error(), now)
	case isPending(subject) && len(p.Status.Candidates) == 0:
		status.Progressing(p, subject.Error(), now)
	case subject != nil && !isPending(subject):
		status.Retrying(p, v1beta1.SourceNotReadyReason, subject.Error()+"; the stages keep what they have", now)
	case copyTrouble(p) != nil:
		concludeCopy(p, copyTrouble(p), now)
	default:
		conclude(p, now)
	}
}

// gather reads what the facts are made of, from the cache. Nothing changes the HelmReleases, which are not copied.
func (h *handler) gather(ctx context.Context, p *v1beta1.ReleasePipeline) (in inputs, err error) {
	in.releases = map[string][]v1beta1.HelmRelease{}
	for _, s := range p.Spec.Stages {
		if s.CopyOf() != nil {
			continue
		}

		keys, err := h.releasesOf(ctx, p, s.Name)
		if err != nil {
			return in, err
		}

		for _, key := range keys {
			hr := v1beta1.HelmRelease{}
			err := h.cached.Get(ctx, key, &hr, client.UnsafeDisableDeepCopy)
			if client.IgnoreNotFound(err) != nil {
				return in, fmt.Errorf("reading HelmRelease %s: %w", key, err)
			}
			if hr.Name != "" && hr.DeletionTimestamp.IsZero() {
				in.releases[s.Name] = append(in.releases[s.Name], hr)
			}
		}
	}

	approvals := &v1beta1.PromotionApprovalList{}
	err = h.cached.List(ctx, approvals, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name})
	if err != nil {
		return in, fmt.Errorf("listing the approvals of the pipeline: %w", err)
	}

	in.approvals = approvals.Items
	if in.freezes, err = h.freezes(ctx, p); err != nil {
		return in, err
	}
	if in.requests, err = h.requestsOf(ctx, p); err != nil {
		return in, err
	}
	if quorum(p) != "" {
		in.stamped, err = h.stamped(ctx)
	}

	return in, err
}

// freezes are those that a pipeline falls under.
func (h *handler) freezes(ctx context.Context, p *v1beta1.ReleasePipeline) (found []v1beta1.ReleaseFreeze, err error) {
	if h.noFreezes {
		return nil, nil
	}

	list := &v1beta1.ReleaseFreezeList{}
	if err := h.cached.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing the freezes: %w", err)
	}

	for i := range list.Items {
		if list.Items[i].Covers(p) {
			found = append(found, list.Items[i])
		}
	}

	return found, nil
}

// Finalize implements loop.Handler. Pipelines have no finalizer: what they own goes with them.
func (h *handler) Finalize(context.Context, *v1beta1.ReleasePipeline) (bool, time.Duration, error) {
	return true, 0, nil
}

// Forget implements loop.Handler.
func (h *handler) Forget(key types.NamespacedName) {
	h.copies.forget(key)
	h.signatures.forget(key)
	h.attestations.forget(key)
	h.files.forget(key)
	h.maps.forget(key)
}
