package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// gatherer finds what a release is made of and whether its time has come:
//
//	references allowed? ─► identity and cluster ─► chart ─► values ─► Inputs
//	dependencies ready? ─► nil
//
// Looking again while nothing has changed costs no request.
type gatherer struct {
	catalog     *source.Catalog
	objects     client.Reader // the cache
	live        client.Reader // the API server
	documents   *documents
	expressions *expressions
	rules       rules
	lookout     *lookout
	// defaultServiceAccount is the identity of releases that name none; empty is the controller itself.
	defaultServiceAccount string
	// ownNamespace refuses references to objects in other namespaces.
	ownNamespace bool
}

// obstacle is why nothing can be planned, in the words of a condition.
type obstacle struct {
	status.Failure
	// after is when to look again although nothing was heard; zero is the interval of the release.
	after time.Duration
}

// Error implements error.
func (o *obstacle) Error() string { return o.Message }

func hindered(reason, format string, args ...any) error {
	return &obstacle{Failure: status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// refused is an obstacle that only a change of the spec removes.
func refused(reason, format string, args ...any) error {
	return &obstacle{Failure: status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...), Final: true}}
}

func isObstacle(err error) bool {
	var known *obstacle
	return errors.As(err, &known)
}

// reasonOf returns the reason of an obstacle.
func reasonOf(err error) string {
	var known *obstacle
	if !errors.As(err, &known) {
		return ""
	}
	return known.Reason
}

// gather finds what the release is made of: where and as whom it is worked on, the exact chart, the values.
func (g *gatherer) gather(ctx context.Context, hr *v1beta1.HelmRelease) (release.Inputs, error) {
	g.documents.name(client.ObjectKeyFromObject(hr), documentsOf(hr)...)
	if err := g.admit(hr); err != nil {
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
	chart, err := g.catalog.Chart(ctx, source.ChoiceOfRelease(hr))
	if err != nil {
		return release.Inputs{}, chartObstacle(err)
	}
	merged, mask, err := readDocument(g.documents.get).values(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}
	return release.Inputs{Access: access, Chart: chart, Values: merged, Mask: mask, Rules: judges, Ignore: ignore}, nil
}

// forget drops what is kept for an object that is gone.
func (g *gatherer) forget(key types.NamespacedName) {
	g.documents.name(key)
	g.lookout.forget(key)
	g.rules.forget(key)
}

// chartObstacle words why there is no chart. An answer that is still being looked for is no obstacle.
func chartObstacle(err error) error {
	if source.IsPending(err) {
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
	return &obstacle{Failure: failure}
}
