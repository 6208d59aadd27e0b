package refs

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/status"
)

// Dependent is an object that may depend on others.
type Dependent interface {
	client.Object
	v1beta1.Conditioned
	// GetDependsOn names what has to be ready first.
	GetDependsOn() []v1beta1.DependencyReference
}

// Dependencies judges what objects of one kind depend on.
type Dependencies struct {
	// Kind of the objects, which is also the default of what they depend on. Empty makes one.
	Kind  string
	Empty func() Dependent
	// Objects is the cache, which has the objects of the kind.
	Objects     client.Reader
	Watcher     *DependencyWatcher
	Expressions *Expressions
	// OwnNamespace refuses references to objects in other namespaces.
	OwnNamespace bool
}

// Admit checks spec.dependsOn alone: references that are not allowed or malformed, and expressions.
func (g *Dependencies) Admit(object Dependent) error {
	for i, reference := range object.GetDependsOn() {
		field := fmt.Sprintf("spec.dependsOn[%d]", i)
		kind, err := reference.GetGroupVersionKind(g.Kind)
		if err != nil {
			return TerminalObstacle(v1beta1.InvalidReferenceReason, "%s: %s", field, err)
		}
		if key := reference.GetKey(object.GetNamespace()); g.OwnNamespace && key.Namespace != object.GetNamespace() {
			return CrossNamespaceObstacle(field, kind.Kind+" "+key.String())
		}
		if reference.ReadyExpr == "" {
			continue
		}
		if _, err := g.Expressions.compile(reference.ReadyExpr); err != nil {
			return TerminalObstacle(v1beta1.InvalidCELExpressionReason, "%s.readyExpr cannot be used: %s", field, err)
		}
	}
	return nil
}

// Check checks that what an object depends on is ready. access is that of the object. The obstacle that it returns
// names all dependencies that are not ready; one that may not be read, or that a spec cannot mean, is an obstacle of
// its own.
func (g *Dependencies) Check(ctx context.Context, object Dependent, access cluster.Access) error {
	if cycle := g.cycle(ctx, object); cycle != "" {
		return TerminalObstacle(v1beta1.DependencyCycleReason, "spec.dependsOn leads back to this object: %s", cycle)
	}

	references := object.GetDependsOn()
	missing := unready{of: len(references)}
	for i, reference := range references {
		d := dependency{
			field:     fmt.Sprintf("spec.dependsOn[%d]", i),
			reference: reference,
			key:       reference.GetKey(object.GetNamespace()),
		}
		var err error
		if d.kind, err = reference.GetGroupVersionKind(g.Kind); err != nil {
			return TerminalObstacle(v1beta1.InvalidReferenceReason, "%s: %s", d.field, err)
		}

		if reference.IsOwn(g.Kind) && !d.isRead(object, access) {
			err = g.own(ctx, object, d)
		} else {
			err = g.other(ctx, object, access, d)
		}

		var found *ObstacleError
		switch {
		case err == nil:
		case errors.As(err, &found) && found.Reason == v1beta1.DependencyNotReadyReason:
			missing.add(d.shortName(g.Kind, object.GetNamespace()), found)
		default:
			return err
		}
	}

	return missing.err()
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

// shortName names it in a list: with its kind when that is not the kind of the dependent, and with its namespace when
// that is another one.
func (d dependency) shortName(kind, namespace string) string {
	name := d.key.String()
	if d.key.Namespace == namespace {
		name = d.key.Name
	}
	if !d.reference.IsOwn(kind) {
		name = d.kind.Kind + " " + name
	}
	return name
}

// isRead reports whether an object of the own kind is read with the rights of the dependent. The cache has it too, but
// with the rights of the controller: an expression would answer questions about specs of other namespaces that the
// dependent may not read.
func (d dependency) isRead(object Dependent, access cluster.Access) bool {
	return d.reference.ReadyExpr != "" && d.key.Namespace != object.GetNamespace() && access.User != ""
}

// own judges an object of the own kind, which the cache has. Of one in another namespace, an expression sees what
// disclosed leaves.
func (g *Dependencies) own(ctx context.Context, object Dependent, d dependency) error {
	found := g.Empty()
	err := g.Objects.Get(ctx, d.key, found)
	switch {
	case apierrors.IsNotFound(err):
		return notReady("not found")
	case err != nil:
		return fmt.Errorf("reading %s of spec.dependsOn: %w", d, err)
	case d.reference.ReadyExpr == "" && status.IsReady(found):
		return nil
	case d.reference.ReadyExpr == "":
		return notReady("%s", causeOf(found, d.key.Namespace == object.GetNamespace()))
	}

	content, err := g.contentOf(found)
	if err != nil {
		return err
	}
	if d.key.Namespace != object.GetNamespace() {
		content = disclosed(content)
	}

	return g.expression(ctx, object, d, content)
}

// disclosed is what an expression sees of an object in another namespace when the dependent has no identity of its own
// to read it as: the status, and of the metadata what cannot hold a spec, as annotations can.
func disclosed(content map[string]any) map[string]any {
	metadata, _ := content["metadata"].(map[string]any)
	shown := map[string]any{}
	for _, field := range []string{"name", "namespace", "generation", "labels", "creationTimestamp", "deletionTimestamp"} {
		if value, is := metadata[field]; is {
			shown[field] = value
		}
	}

	out := map[string]any{"apiVersion": content["apiVersion"], "kind": content["kind"], "metadata": shown}
	if status, is := content["status"]; is {
		out["status"] = status
	}

	return out
}

// notReady is the obstacle that one dependency is, with the cause in few words.
func notReady(format string, args ...any) error {
	return RetryableObstacle(v1beta1.DependencyNotReadyReason, format, args...)
}

func isSuspended(object any) bool {
	suspendable, is := object.(interface{ IsSuspended() bool })
	return is && suspendable.IsSuspended()
}

// other judges an object of any other kind, as the dependency watcher saw it last.
func (g *Dependencies) other(ctx context.Context, object Dependent, access cluster.Access, d dependency) error {
	if d.kind.Group == v1beta1.GroupVersion.Group {
		access.Kubeconfig = nil // sources and other such objects are where the release is declared
	}

	dependent := client.ObjectKeyFromObject(object)
	seen := g.Watcher.Look(dependent, access, d.kind, d.key) //nolint:contextcheck // a watch outlives the look
	switch {
	case seen.Err != nil:
		return unseen(d, access, seen)
	case !seen.Known:
		return &PendingReadError{what: d.String() + " of spec.dependsOn", Took: seen.Took}
	case seen.Object == nil:
		return notReady("not found")
	case d.reference.ReadyExpr != "":
		return g.expression(ctx, object, d, seen.Object.Object)
	}

	// What the object says itself is not quoted: it belongs to others, whose secrets are not known.
	if report := health.Assess(seen.Object, true); report.State != health.Current {
		return notReady("%s: %s", report.State, report.Message)
	}

	return nil
}

// unseen words why an object cannot be seen.
func unseen(d dependency, access cluster.Access, seen ObservedState) error {
	failure := status.Failure{Reason: v1beta1.DependencyNotReadyReason}
	switch {
	case meta.IsNoMatchError(seen.Err):
		failure.Message = fmt.Sprintf("the cluster does not know the kind %s; the controller tries again after %s",
			d.kind, seen.Pause)
	case apierrors.IsForbidden(seen.Err):
		who := "Fairlead"
		if access.User != "" {
			who = access.User
		}

		failure.Reason = v1beta1.AccessDeniedReason
		failure.Message = fmt.Sprintf("%s may not get, list and watch %s of spec.dependsOn; the controller tries again "+
			"after %s",
			who, d, seen.Pause)
	default:
		failure.Message = fmt.Sprintf("cannot be read: %s; the controller tries again after %s", seen.Err, seen.Pause)
	}

	return &ObstacleError{Failure: failure, After: seen.Left}
}

// expression judges a dependency by its readyExpr.
func (g *Dependencies) expression(ctx context.Context, object Dependent, d dependency, dep map[string]any) error {
	self, err := g.contentOf(object)
	if err != nil {
		return err
	}

	holds, err := g.Expressions.holds(ctx, d.reference.ReadyExpr, dep, self)
	switch {
	case err == nil && holds:
		return nil
	case err == nil:
		return notReady("does not fulfil %s.readyExpr", d.field)
	default:
		return notReady("%s.readyExpr cannot be evaluated: %s%s", d.field, err, g.limits(object, d, dep))
	}
}

// limits say why an expression sees no spec, where that is so.
func (g *Dependencies) limits(object Dependent, d dependency, dep map[string]any) string {
	if _, whole := dep["spec"]; whole || !d.reference.IsOwn(g.Kind) || d.key.Namespace == object.GetNamespace() {
		return ""
	}
	return "; of another namespace only metadata and status are known: set spec.serviceAccountName to read it as that " +
		"ServiceAccount"
}

// contentOf returns an object of the own kind as expressions see it.
func (g *Dependencies) contentOf(object Dependent) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("converting %s %s: %w", g.Kind, client.ObjectKeyFromObject(object), err)
	}
	content["apiVersion"], content["kind"] = v1beta1.GroupVersion.String(), g.Kind
	return content, nil
}

// cycle follows the dependencies among objects of the kind, depth first, and returns the way back to the object, empty
// when there is none.
func (g *Dependencies) cycle(ctx context.Context, object Dependent) string {
	start := client.ObjectKeyFromObject(object)
	seen := map[types.NamespacedName]bool{}
	var follow func(Dependent) string
	follow = func(from Dependent) string {
		for _, key := range Below(from, g.Kind) {
			if key == start {
				return key.String()
			}

			next := g.Empty()
			if seen[key] || g.Objects.Get(ctx, key, next) != nil {
				continue
			}

			seen[key] = true
			if way := follow(next); way != "" {
				return key.String() + " → " + way
			}
		}
		return ""
	}
	if way := follow(object); way != "" {
		return start.String() + " → " + way
	}

	return ""
}

// Below names the objects of its own kind that an object depends on.
func Below(object Dependent, kind string) []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, len(object.GetDependsOn()))
	for _, reference := range object.GetDependsOn() {
		if reference.IsOwn(kind) {
			keys = append(keys, reference.GetKey(object.GetNamespace()))
		}
	}
	return keys
}
