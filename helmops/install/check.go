package install

import (
	"context"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/fluxcd/pkg/ssa/utils"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// reviews is the resource that answers what others may do.
var reviews = schema.GroupResource{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}

// deploymentKind is the kind of the controller.
var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// minKubernetes is the oldest version whose API has the CEL rules by which our kinds are checked.
const minKubernetes = "1.29.0"

// Outcome of a check.
type Outcome string

// Outcomes. A warning does not keep Fairlead from working.
const (
	Passed Outcome = "passed"
	Warned Outcome = "warning"
	Failed Outcome = "failed"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Message string  `json:"message"`
	// Fix says what to do, empty for what passed.
	Fix string `json:"fix,omitempty"`
}

// Before checks whether Fairlead can be installed: the version of the cluster and what the caller may do.
func (s *Site) Before(ctx context.Context) ([]Check, error) {
	policies, err := s.CheckPolicies()
	if err != nil {
		return nil, err
	}

	objects, err := Options{Image: placeholder + ":any", NoWarnings: policies.Outcome != Passed}.Objects(ctx)
	if err != nil {
		return nil, err
	}

	version, err := s.as.Kube().Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("asking the cluster for its version: %w", err)
	}

	denied, err := s.denied(ctx, objects)
	if err != nil {
		return nil, err
	}

	return append([]Check{checkVersion(version.GitVersion), policies}, checkDenied(denied)...), nil
}

func checkVersion(text string) Check {
	c := Check{Name: "Kubernetes", Outcome: Passed, Message: text}
	version, err := semver.NewVersion(text)
	if err != nil {
		c.Outcome = Warned
		c.Message = fmt.Sprintf("version %q cannot be read", text)
		c.Fix = "make sure that it is " + minKubernetes + " or later"
		return c
	}

	// What a provider adds to a version is no pre-release of it.
	if bare, _ := version.SetPrerelease(""); bare.LessThan(semver.MustParse(minKubernetes)) {
		c.Outcome = Failed
		c.Fix = "upgrade the cluster to " + minKubernetes + " or later"
	}

	return c
}

// denied are the rights that the caller needs to install and does not have.
func (s *Site) denied(ctx context.Context, objects []apply.Object) ([]right, error) {
	var out []right
	asked := map[schema.GroupVersionResource]bool{}
	for _, o := range objects {
		mapping, err := s.cluster.Mapper().RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		if err != nil {
			return nil, fmt.Errorf("asking the cluster for the kind %s: %w", o.GetKind(), err)
		}
		if asked[mapping.Resource] {
			continue
		}

		asked[mapping.Resource] = true
		for _, verb := range []string{"get", "create", "patch"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: verb, Group: mapping.Resource.Group, Resource: mapping.Resource.Resource, Namespace: o.GetNamespace(),
				},
			}}
			answer, err := s.as.Kube().AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return nil, fmt.Errorf("asking what you may do: %w", err)
			}
			if !answer.Status.Allowed {
				out = append(out, right{verb, mapping.Resource.GroupResource(), o.GetNamespace()})
			}
		}
	}

	return out, nil
}

// checkDenied has one check for each group of rights that are missing.
func checkDenied(denied []right) []Check {
	if len(denied) == 0 {
		return []Check{{Name: "permissions", Outcome: Passed, Message: "you may create every object of an installation"}}
	}

	var out []Check
	for _, text := range grouped(denied) {
		out = append(out, Check{
			Name: "permissions", Outcome: Failed, Message: "you may not " + text,
			Fix: "install with the rights of a cluster administrator; the controller needs fewer",
		})
	}

	return out
}

// After checks an installation: the definitions, the controller, its rights and its version. version is that of the command. What the
// caller may not look at is a check that failed, not an error.
func (s *Site) After(ctx context.Context, version string) ([]Check, error) {
	var hidden unseen
	controller, err := s.object(ctx, deploymentKind, Namespace, Controller)
	controllerSeen := err == nil
	if err != nil && !hidden.note(err) {
		return nil, err
	}

	tenancy := tenancyOf(controller)
	objects, err := Options{Image: placeholder + ":any", Tenancy: tenancy}.Objects(ctx)
	if err != nil {
		return nil, err
	}

	var out []Check
	defined := false
	for _, o := range objects {
		if !utils.IsCRD(o.Unstructured) {
			continue
		}

		live, err := s.object(ctx, o.GroupVersionKind(), "", o.GetName())
		if hidden.note(err) {
			continue
		}
		if err != nil {
			return nil, err
		}

		defined = defined || live != nil
		out = append(out, checkDefinition(o.Unstructured, live))
	}

	switch {
	case controller != nil:
		out = append(out, checkController(controller, version)...)
		rest, err := s.checkRunning(ctx, objects, tenancy, &hidden)
		if err != nil {
			return nil, err
		}

		out = append(out, rest...)
	case controllerSeen:
		absent, err := s.checkAbsent(ctx, defined)
		if err != nil && !hidden.note(err) {
			return nil, err
		}

		out = append(out, absent)
	}

	return append(out, hidden.checks()...), nil
}

// checkRunning checks the rights and the tenancy of a controller that is installed.
func (s *Site) checkRunning(ctx context.Context, objects []apply.Object, tenancy Tenancy, hidden *unseen) ([]Check, error) {
	out, err := s.missing(ctx, objects, tenancy)
	if err != nil && !hidden.note(err) {
		return nil, err
	}
	mode, err := s.checkTenancy(ctx, tenancy, objects)
	if hidden.note(err) {
		return out, nil
	}
	return append(out, mode), err
}

// checkAbsent says what it means that there is no Deployment of the controller. Where the definitions are installed and the
// namespace is not, the controller probably runs outside of the cluster, as with make run: that cannot be checked.
func (s *Site) checkAbsent(ctx context.Context, defined bool) (Check, error) {
	namespace, err := s.object(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "", Namespace)
	if err == nil && defined && namespace == nil {
		return Check{
			Name: "controller", Outcome: Warned,
			Message: fmt.Sprintf("the kinds are installed, but there is no namespace %s: a controller that runs outside of the cluster, "+
				"as with make run, cannot be checked", Namespace),
			Fix: "fairlead install, if no controller runs outside of the cluster",
		}, nil
	}

	return checkController(nil, "")[0], err
}

func checkDefinition(want, live *unstructured.Unstructured) Check {
	c := Check{Name: "CRD " + want.GetName(), Outcome: Passed, Message: "as this command knows it"}
	if live == nil {
		c.Outcome = Failed
		c.Message = "does not exist"
		c.Fix = "fairlead install"
		return c
	}

	if report := health.Assess(live, false); report.State != health.Current {
		c.Outcome, c.Message, c.Fix = Failed, "is not served: "+report.Full(), "kubectl describe crd "+want.GetName()
		return c
	}

	if !equality.Semantic.DeepEqual(versionsOf(want), versionsOf(live)) {
		c.Outcome = Warned
		c.Message = "is of another version of Fairlead"
		c.Fix = "fairlead install, or the command of the version that is installed"
	}

	return c
}

// versionsOf are the names and schemas of the versions of a definition; the API server completes the rest.
func versionsOf(definition *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		if version, is := v.(map[string]any); is {
			name, _ := version["name"].(string)
			out[name] = version["schema"]
		}
	}
	return out
}

func checkController(live *unstructured.Unstructured, version string) []Check {
	c := Check{Name: "controller", Outcome: Passed, Message: "available"}
	if live == nil {
		c.Outcome = Failed
		c.Message = fmt.Sprintf("Deployment %s/%s does not exist", Namespace, Controller)
		c.Fix = "fairlead install"
		return []Check{c}
	}

	if report := health.Assess(live, false); report.State != health.Current {
		c.Outcome, c.Message = Failed, report.Full()
		c.Fix = "kubectl -n " + Namespace + " describe pods"
	}

	v := Check{Name: "version", Outcome: Passed, Message: version}
	if installed := live.GetAnnotations()[VersionAnnotation]; installed != version {
		v.Outcome, v.Message = Warned, fmt.Sprintf("the cluster has %s, this command is %s", orUnknown(installed), version)
		v.Fix = "fairlead install, or the command of that version"
	}

	return []Check{c, v}
}

func orUnknown(text string) string {
	if text == "" {
		return "an unknown version"
	}
	return text
}

// missing looks for rights that the controller lacks: what its role says, and by warning what releases without a ServiceAccount need.
func (s *Site) missing(ctx context.Context, objects []apply.Object, tenancy Tenancy) ([]Check, error) {
	c := Check{Name: "rights of the controller", Outcome: Passed, Message: "it may do what it needs"}
	var lacking []right
	for _, o := range objects {
		if o.GetKind() != "ClusterRole" || o.GetName() != Controller {
			continue
		}

		role := &rbacv1.ClusterRole{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, role); err != nil {
			return nil, err
		}

		for _, attributes := range attributesOf(role.Rules) {
			allowed, err := s.controllerMay(ctx, attributes)
			if err != nil {
				return nil, err
			}
			if !allowed {
				lacking = append(lacking, right{attributes.Verb, schema.GroupResource{Group: attributes.Group, Resource: attributes.Resource}, ""})
			}
		}
	}

	if len(lacking) > 0 {
		c.Outcome, c.Message = Failed, "it may not "+strings.Join(grouped(lacking), "; ")
		c.Fix = "fairlead install, which binds the ClusterRole " + Controller
	}

	bound, err := s.controllerMay(ctx, authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"})
	if err != nil {
		return nil, err
	}

	return []Check{c, checkAdmin(bound, tenancy)}, nil
}

// attributesOf takes rules apart. A subresource is one of its own.
func attributesOf(rules []rbacv1.PolicyRule) []authorizationv1.ResourceAttributes {
	var out []authorizationv1.ResourceAttributes
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				name, sub, _ := strings.Cut(resource, "/")
				for _, verb := range rule.Verbs {
					out = append(out, authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: name, Subresource: sub})
				}
			}
		}
	}

	return out
}

func (s *Site) controllerMay(ctx context.Context, attributes authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + Namespace + ":" + Controller, ResourceAttributes: &attributes,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace, "system:authenticated"},
	}}
	answer, err := s.as.Kube().AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if apierrors.IsForbidden(err) {
		return false, &deniedError{right{"create", reviews, ""}}
	}
	if err != nil {
		return false, fmt.Errorf("asking what the controller may do: %w", err)
	}

	return answer.Status.Allowed, nil
}
