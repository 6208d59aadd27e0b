package release

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/window"
)

// gatherer finds what a release is made of and whether its time has come:
//
//	references allowed? ─► identity and cluster ─► chart ─► values ─► skip the known bad ─► Inputs
//	dependencies ready? ─► nil
//
// Looking again while nothing has changed costs no request.
type gatherer struct {
	catalog           *catalog.Catalog
	identities        refs.Identities
	documents         *refs.Documents
	dependencies      *refs.Dependencies
	dependencyWatcher *refs.DependencyWatcher
	rules             rules
	// defaultServiceAccount is the identity of releases that name none; empty is the controller itself.
	defaultServiceAccount string
	// approvals are what users decided about plans.
	approvals refs.PlanApprovals
	// objects reads the cache: the freezes, which noFreezes leaves out.
	objects   client.Reader
	noFreezes bool
	now       func() time.Time
}

// readers is how a gatherer sees the objects of the cluster.
type readers struct {
	cached, live      client.Reader
	expressions       *refs.Expressions
	dependencyWatcher *refs.DependencyWatcher
	tokens            refs.Tokens
}

func newGatherer(c *catalog.Catalog, s readers, o Options) *gatherer {
	documents := refs.NewDocuments(s.cached, s.live, refs.MaxDocuments)
	return &gatherer{
		catalog: c, documents: documents, dependencyWatcher: s.dependencyWatcher,
		identities: refs.Identities{Objects: s.cached, Live: s.live, Documents: documents, Tokens: s.tokens},
		dependencies: &refs.Dependencies{
			Kind: v1beta1.HelmReleaseKind, Empty: func() refs.Dependent { return &v1beta1.HelmRelease{} },
			Objects: s.cached, Watcher: s.dependencyWatcher, Expressions: s.expressions, OwnNamespace: o.NoCrossNamespaceRefs,
		},
		approvals:             refs.PlanApprovals{Objects: s.cached, Approvers: o.Approvers},
		defaultServiceAccount: o.DefaultServiceAccount, objects: s.cached, noFreezes: o.NoFreezes, now: o.Now,
	}
}

// gather finds what the release is made of: where and as whom it is worked on, the exact chart, the values.
func (g *gatherer) gather(ctx context.Context, hr *v1beta1.HelmRelease) (release.Inputs, error) {
	stage, err := g.stage(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}

	g.documents.Name(client.ObjectKeyFromObject(hr), append(documentsOf(hr), stage.documents(hr)...)...)
	windows, err := g.admitted(hr)
	if err != nil {
		return release.Inputs{}, err
	}

	judges, ignore, err := g.rules.of(hr)
	if err != nil {
		return release.Inputs{}, err
	}

	access, err := g.access(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}

	chart, unsourced, err := g.chart(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}

	from := g.valuesReader()
	found, err := from.values(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}

	shared, err := g.shared(ctx, hr, stage, chart)
	if err != nil {
		return release.Inputs{}, err
	}

	wanted := found.Merged
	if shared.kept != nil {
		if found, err = from.instead(shared.document, shared.kept).values(ctx, hr); err != nil {
			return release.Inputs{}, err
		}
	}

	mask := found.Mask.Join(redact.NewMask(cluster.Secrets(access.Kubeconfig)...))
	in := release.Inputs{
		Access: access, Chart: chart, Unsourced: unsourced, Values: found.Merged, Mask: mask, Origin: found.origin,
		Rules: judges, Ignore: ignore, Shared: shared.digest, Windows: windows,
	}
	g.skip(ctx, hr, &in)
	if shared.hold != nil {
		held := release.HeldChart{Chart: chart, Shared: shared.wanted, Values: wanted, Hold: *shared.hold}
		in.HoldShared(held, status.ChartOf(&hr.Status))
		status.ReleaseHeld(hr, in.Held.Status())
		return in, nil
	}

	return in, g.hold(ctx, hr, &in, stage)
}

// admitted checks what the spec says by itself, and reads its windows.
func (g *gatherer) admitted(hr *v1beta1.HelmRelease) (plan.Windows, error) {
	if err := g.admit(hr); err != nil {
		return plan.Windows{}, err
	}

	calendar, err := window.NewCalendar(window.OfSync(hr.Spec.Sync))
	if err != nil {
		return plan.Windows{}, refs.TerminalObstacle(v1beta1.InvalidSyncWindowReason, "spec.sync.%s", err)
	}

	return plan.Windows{Calendar: calendar}, nil
}

// valuesReader reads the documents that are kept, and the files that the last polls of sources found.
func (g *gatherer) valuesReader() valuesReader {
	return valuesReader{document: g.documents.Get, files: g.catalog.Values}
}

// forget drops what is kept for an object that is gone.
func (g *gatherer) forget(key types.NamespacedName) {
	g.documents.Name(key)
	g.dependencyWatcher.Forget(key)
	g.rules.forget(key)
}

// chartObstacle words why there is no chart. An answer that is still being looked for is no obstacle.
func chartObstacle(err error) error {
	if catalog.IsPending(err) {
		return err
	}

	failure := status.Failure{Reason: v1beta1.SourceNotReadyReason, Message: err.Error()}
	var known interface {
		Reason() string
		Retryable() bool
	}
	if errors.As(err, &known) {
		failure.Reason, failure.Final = known.Reason(), !known.Retryable()
	}

	return &refs.ObstacleError{Failure: failure}
}
