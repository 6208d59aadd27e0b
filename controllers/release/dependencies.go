package release

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/health"
	"fairlead.dev/fairlead/helmops/status"
)

// looking says that a dependency is being read for the first time; the release is woken when it is there.
type looking struct {
	what string
	took time.Duration
}

// Error implements error.
func (l *looking) Error() string { return "reading " + l.what + " of spec.dependsOn" }

// dependencies checks that what the release depends on is ready. access is that of the release.
func (g *gatherer) dependencies(ctx context.Context, hr *v1beta1.HelmRelease, access cluster.Access) error {
	if cycle := g.cycle(ctx, hr); cycle != "" {
		return refused(v1beta1.DependencyCycleReason, "spec.dependsOn leads back to this object: %s", cycle)
	}
	for i, reference := range hr.Spec.DependsOn {
		d := dependency{field: fmt.Sprintf("spec.dependsOn[%d]", i), reference: reference, key: reference.GetKey(hr.Namespace)}
		var err error
		if d.kind, err = reference.GetGroupVersionKind(v1beta1.HelmReleaseKind); err != nil {
			return refused(v1beta1.InvalidReferenceReason, "%s: %s", d.field, err)
		}
		if reference.IsOwn(v1beta1.HelmReleaseKind) {
			err = g.release(ctx, hr, d)
		} else {
			err = g.object(ctx, hr, access, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dependency is one entry of spec.dependsOn.
type dependency struct {
	field     string
	reference v1beta1.DependencyReference
	kind      schema.GroupVersionKind
	key       types.NamespacedName
}

// String names it in messages.
func (d dependency) String() string { return fmt.Sprintf("%s %s", d.kind.Kind, d.key) }

// release judges a HelmRelease, which the cache has.
func (g *gatherer) release(ctx context.Context, hr *v1beta1.HelmRelease, d dependency) error {
	found := &v1beta1.HelmRelease{}
	err := g.objects.Get(ctx, d.key, found)
	switch {
	case apierrors.IsNotFound(err):
		return hindered(v1beta1.DependencyNotReadyReason, "%s of spec.dependsOn does not exist; work goes on when it is Ready", d)
	case err != nil:
		return fmt.Errorf("reading %s of spec.dependsOn: %w", d, err)
	case d.reference.ReadyExpr == "" && !status.IsReady(found):
		return hindered(v1beta1.DependencyNotReadyReason, "%s of spec.dependsOn is not Ready; work goes on when it is", d)
	case d.reference.ReadyExpr == "":
		return nil
	}
	content, err := contentOf(found)
	if err != nil {
		return err
	}
	return g.expression(ctx, hr, d, content)
}

// object judges an object of any other kind, as the lookout saw it last.
func (g *gatherer) object(ctx context.Context, hr *v1beta1.HelmRelease, access cluster.Access, d dependency) error {
	if d.kind.Group == v1beta1.GroupVersion.Group {
		access.Kubeconfig = nil // sources and the like are where the release is declared
	}
	seen := g.lookout.look(client.ObjectKeyFromObject(hr), access, d.kind, d.key) //nolint:contextcheck // a watch outlives the look
	switch {
	case seen.err != nil:
		return unseen(d, access, seen)
	case !seen.known:
		return &looking{what: d.String(), took: seen.took}
	case seen.object == nil:
		return hindered(v1beta1.DependencyNotReadyReason, "%s of spec.dependsOn does not exist; work goes on when it is ready", d)
	case d.reference.ReadyExpr != "":
		return g.expression(ctx, hr, d, seen.object.Object)
	}
	if report := health.Assess(seen.object, true); report.State != health.Current {
		return hindered(v1beta1.DependencyNotReadyReason, "%s of spec.dependsOn is not ready, %s: %s; work goes on when it is",
			d, report.State, report.Message)
	}
	return nil
}

// unseen words why an object cannot be seen.
func unseen(d dependency, access cluster.Access, seen sight) error {
	failure := status.Failure{Reason: v1beta1.DependencyNotReadyReason}
	switch {
	case meta.IsNoMatchError(seen.err):
		failure.Message = fmt.Sprintf("the cluster does not know the kind %s of %s of spec.dependsOn; it is looked for again %s later",
			d.kind, d, seen.pause)
	case apierrors.IsForbidden(seen.err):
		who := "Fairlead"
		if access.User != "" {
			who = access.User
		}
		failure.Reason = v1beta1.AccessDeniedReason
		failure.Message = fmt.Sprintf("%s may not get, list and watch %s of spec.dependsOn; it is tried again %s later", who, d, seen.pause)
	default:
		failure.Message = fmt.Sprintf("%s of spec.dependsOn cannot be read: %s; it is tried again %s later", d, seen.err, seen.pause)
	}
	return &obstacle{Failure: failure, after: seen.left}
}

// expression judges a dependency by its readyExpr.
func (g *gatherer) expression(ctx context.Context, hr *v1beta1.HelmRelease, d dependency, dep map[string]any) error {
	self, err := contentOf(hr)
	if err != nil {
		return err
	}
	holds, err := g.expressions.holds(ctx, d.reference.ReadyExpr, dep, self)
	switch {
	case err == nil && holds:
		return nil
	case err == nil:
		return hindered(v1beta1.DependencyNotReadyReason, "%s does not fulfil %s.readyExpr; work goes on when it does", d, d.field)
	case d.kind.Group == "" && d.kind.Kind == "Secret": // errors of CEL quote keys and values
		return hindered(v1beta1.DependencyNotReadyReason, "%s.readyExpr cannot be evaluated with %s; it is looked at again when that changes",
			d.field, d)
	default:
		return hindered(v1beta1.DependencyNotReadyReason, "%s.readyExpr cannot be evaluated with %s: %s; it is looked at again when that changes",
			d.field, d, err)
	}
}

// contentOf returns a release as expressions see it.
func contentOf(hr *v1beta1.HelmRelease) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(hr)
	if err != nil {
		return nil, fmt.Errorf("converting HelmRelease %s/%s: %w", hr.Namespace, hr.Name, err)
	}
	content["apiVersion"], content["kind"] = v1beta1.GroupVersion.String(), v1beta1.HelmReleaseKind
	return content, nil
}

// cycle follows the dependencies among releases, depth first, and returns the way back to the object, empty when there is
// none.
func (g *gatherer) cycle(ctx context.Context, hr *v1beta1.HelmRelease) string {
	start := client.ObjectKeyFromObject(hr)
	seen := map[types.NamespacedName]bool{}
	var follow func(*v1beta1.HelmRelease) string
	follow = func(from *v1beta1.HelmRelease) string {
		for _, key := range releasesBelow(from) {
			if key == start {
				return key.String()
			}
			next := &v1beta1.HelmRelease{}
			if seen[key] || g.objects.Get(ctx, key, next) != nil {
				continue
			}
			seen[key] = true
			if way := follow(next); way != "" {
				return key.String() + " → " + way
			}
		}
		return ""
	}
	if way := follow(hr); way != "" {
		return start.String() + " → " + way
	}
	return ""
}

// releasesBelow names the releases that a release depends on.
func releasesBelow(hr *v1beta1.HelmRelease) []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, len(hr.Spec.DependsOn))
	for _, reference := range hr.Spec.DependsOn {
		if reference.IsOwn(v1beta1.HelmReleaseKind) {
			keys = append(keys, reference.GetKey(hr.Namespace))
		}
	}
	return keys
}
