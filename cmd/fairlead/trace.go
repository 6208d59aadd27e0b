package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// tracedKinds are the kinds that completion offers besides those of the API.
var tracedKinds = []string{
	"deployment", "statefulset", "daemonset", "job", "cronjob", "pod", "service", "ingress", "configmap", "secret",
}

// maxCompleted bounds the names that a shell is offered.
const maxCompleted = 500

// kindResolver finds the kind of a word as kubectl does: singular, plural, short name, with or without version and
// group.
type kindResolver func(word string) (schema.GroupVersionKind, error)

func newTraceCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace KIND NAME",
		Short: "Find the release, Kustomization and commit that made an object",
		Long: `Show which release, Kustomization, source and commit an object of the cluster comes from: a Pod by way of
its owners, a Deployment, or an object of Fairlead itself. KIND is written as for kubectl:
deployment, deploy, deployments.apps.

Owners are followed upwards. What has made the topmost one is read off its annotations meta.helm.sh/release-name and
release-namespace, or its labels ` + v1beta1.KustomizationNameLabel + ` and namespace. Only metadata of the
object is read. The cluster is read with your own rights; what they do not allow is named.

Exits with 0 when Fairlead has made the object, with 1 when it has not, with 2 on an error.`,
		Example: `  fairlead trace deployment shop -n web
  fairlead trace pod/shop-5d4-bbbbb -n web
  fairlead trace release shop -n web -o json | jq -r '.steps[].revision'`,
		ValidArgsFunction: a.completeTraced,
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args = splitKindAndName(args)
		if len(args) != 2 || args[0] == "" || args[1] == "" {
			return usagef(cmd, "expected KIND and NAME, got %s", plural(len(args), "argument"))
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		kind, err := kindOf(c, args[0])
		if err != nil {
			return err
		}

		key := types.NamespacedName{Namespace: c.namespace, Name: args[1]}
		found, err := a.traceOf(cmd.Context(), c, kind, key)
		if err != nil {
			return err
		}

		if out.machine() {
			err = out.write(a.out, found)
		} else {
			err = a.write(a.out, traceScreen(found))
		}

		if err == nil && !found.Managed {
			err = errNotReady
		}

		return err
	}
	return cmd
}

// kindOf finds the kind of a word: first those of this API, then those that the cluster serves.
func kindOf(c *connection, word string) (schema.GroupVersionKind, error) {
	if k, known := kindByWord(word); known {
		return v1beta1.GroupVersion.WithKind(k.name), nil
	}

	kind, err := c.resolve(word)
	switch {
	case meta.IsNoMatchError(err):
		return kind, fmt.Errorf("the cluster (%s) serves no kind %q; see \"kubectl api-resources\"", c.describe(), word)
	case err != nil:
		return kind, fmt.Errorf("ask which kinds the cluster (%s) serves: %w", c.describe(), err)
	}

	return kind, nil
}

// resolverOf asks which kinds the cluster serves when it is first called.
func resolverOf(config *rest.Config) kindResolver {
	return func(word string) (schema.GroupVersionKind, error) {
		asking, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			return schema.GroupVersionKind{}, err
		}
		cached := memory.NewMemCacheClient(asking)
		mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
		return resolve(mapper, word)
	}
}

// resolve reads a word as RESOURCE, RESOURCE.GROUP or RESOURCE.VERSION.GROUP.
func resolve(mapper meta.RESTMapper, word string) (schema.GroupVersionKind, error) {
	full, short := schema.ParseResourceArg(strings.ToLower(word))
	if full != nil {
		if kind, err := mapper.KindFor(*full); err == nil {
			return kind, nil
		}
	}
	return mapper.KindFor(short.WithVersion(""))
}

func (a *app) traceOf(
	ctx context.Context, c *connection, kind schema.GroupVersionKind, key types.NamespacedName,
) (view.Trace, error) {
	var other view.Client = c.objects
	own, isOwn := kindByName(kind.Kind)
	isOwn = isOwn && kind.Group == v1beta1.GroupVersion.Group
	if isOwn {
		other = c.client
	}

	found, err := view.NewReader(c.client).Trace(ctx, other, kind, key)
	switch {
	case err == nil:
		return found, nil
	case isOwn:
		return found, a.notFound(ctx, own, key, err)
	default:
		return found, otherKindError(err, kind, key)
	}
}

// otherKindError words a failure with an object of another API.
func otherKindError(err error, kind schema.GroupVersionKind, key types.NamespacedName) error {
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	name := resource.GroupResource().String()
	if apierrors.IsNotFound(err) && !isNotInstalled(err) {
		return fmt.Errorf("%s %q not found in namespace %s (choose another with -n)",
			kind.Kind, key.Name, key.Namespace)
	}

	if apierrors.IsForbidden(err) {
		return fmt.Errorf("forbidden: you may not get %s in namespace %s (kubectl auth can-i get %s -n %s)",
			name, key.Namespace, name, key.Namespace)
	}

	return err
}

func traceScreen(t view.Trace) *screen {
	s := &screen{}
	s.add("Object", objectName(t.Kind, t.Namespace, t.Name))
	labels := map[string]string{
		view.RoleOwner: "Owned by", view.RoleRelease: "Installed by", view.RoleKustomization: "Applied by",
		view.RoleChart: "Chart from", view.RoleSource: "Source",
	}
	for _, step := range t.Steps {
		s.add(labels[step.Role], stepLines(step)...)
	}

	switch {
	case t.Managed:
	case len(t.Notes) > 0:
		s.add("Managed by", "nothing of Fairlead, as far as can be seen")
	default:
		s.add("Managed by", "nothing of Fairlead")
	}

	s.add("Notes", t.Notes...)
	return s
}

func objectName(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// stepLines say what a step is, what it has, and why it is not as it should be.
func stepLines(s view.Step) []string {
	line := objectName(s.Kind, s.Namespace, s.Name)
	if s.Phase != "" {
		line += " is " + string(s.Phase)
	}
	if s.HelmRevision > 0 {
		line += fmt.Sprintf(", revision %d", s.HelmRevision)
	}
	if s.Chart != nil {
		line += ", chart " + chartAndDigest(*s.Chart)
	}

	lines := []string{line}
	if s.Revision != "" {
		verb := "revision "
		if s.Role == view.RoleKustomization {
			verb = "applied "
		}

		lines = append(lines, verb+s.Revision)
	}

	if s.Path != "" {
		lines = append(lines, "path "+s.Path)
	}
	if s.URL != "" {
		lines = append(lines, s.URL)
	}
	if s.Message != "" {
		lines = append(lines, s.Message)
	}

	return lines
}

// completeTraced completes KIND NAME for every kind of the cluster.
func (a *app) completeTraced(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		words := append(completableKinds(nil), tracedKinds...)
		return withPrefix(words, toComplete), cobra.ShellCompDirectiveNoFileComp
	case 1:
		if _, own := kindByWord(args[0]); own {
			return a.completeKindAndName()(cmd, args, toComplete)
		}
		return withPrefix(a.namesOf(cmd.Context(), args[0]), toComplete), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// namesOf are the names of objects of any kind; none when the cluster cannot be asked, because a shell cannot show
// an error.
func (a *app) namesOf(ctx context.Context, word string) []string {
	c, err := a.open()
	if err != nil {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	kind, err := c.resolve(word)
	if err != nil {
		return nil
	}

	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.objects.List(ctx, list, client.InNamespace(c.namespace), client.Limit(maxCompleted)); err != nil {
		return nil
	}

	names := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		names = append(names, item.Name)
	}

	return names
}
