package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// maxCreateFile bounds a file that goes into an object, as the API server bounds objects.
const maxCreateFile = 1 << 20

// fromInput is the file name that stands for standard input.
const fromInput = "-"

func newCreateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create releases, Kustomizations, sources and their Secrets",
		Long: `Create an object in the cluster, or with --export print its manifest, for a file in Git, and
create nothing. Fields that are not given are left out, so that their defaults hold. An object that exists
already is not changed.`,
		Example: `  fairlead create source git fleet --url https://git.example.com/org/fleet --export > fleet.yaml
  fairlead create release shop --source helmrepository/charts --chart shop --version 1.x --export`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "expected what to create: source, release, kustomization or secret")
		},
	}
	cmd.AddCommand(
		newCreateSourceCommand(a), newCreateReleaseCommand(a), newCreateKustomizationCommand(a),
		newCreateSecretCommand(a),
	)
	return cmd
}

// creation is what every command create has: one object that is created or printed.
type creation struct {
	app    *app
	export bool
}

// addCreation adds the flags of a command that creates an object, and its argument NAME. make returns the object
// without name and namespace; it is called once the flags are read.
func (a *app) addCreation(cmd *cobra.Command, build func(cmd *cobra.Command) (client.Object, error)) {
	c := &creation{app: a}
	a.addClusterFlags(cmd)
	cmd.Flags().BoolVar(&c.export, "export", false, "print the manifest and create nothing")
	cmd.Args = oneName
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		object, err := build(cmd)
		if err != nil {
			return err
		}

		object.SetName(args[0])
		return c.run(cmd.Context(), object)
	}
}

// oneName is the argument check of a command that creates an object.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(cmd, "expected one NAME, got %s", plural(len(args), "argument"))
	}
	if wrong := validation.IsDNS1123Subdomain(args[0]); len(wrong) > 0 {
		return usagef(cmd, "%q is not a valid name: lower case letters, digits, - and . only", args[0])
	}
	return nil
}

func (c *creation) run(ctx context.Context, object client.Object) error {
	if c.export {
		object.SetNamespace(c.app.exportNamespace())
		return exportObject(c.app.out, object)
	}

	to, err := c.app.open()
	if err != nil {
		return err
	}

	object.SetNamespace(to.namespace)
	err = to.client.Create(ctx, object, fieldManager, client.FieldValidation(metav1.FieldValidationStrict))
	name := createdName(object)
	switch {
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s exists already; nothing was changed", name)
	case err != nil:
		return &view.RequestError{
			Verb: "create", Resource: resourceOf(object), Namespace: to.namespace, Name: object.GetName(), Err: err,
		}
	}

	fmt.Fprintf(c.app.out, "%s created\n", name)
	return nil
}

// exportNamespace is the namespace of a printed manifest: that of -n, else that of the kubeconfig context, else
// none. No cluster is needed.
func (a *app) exportNamespace() string {
	if a.flags.namespace != "" {
		return a.flags.namespace
	}
	c, err := a.open()
	if err != nil {
		return ""
	}
	return c.namespace
}

// createdName names an object in messages.
func createdName(object client.Object) string {
	key := client.ObjectKeyFromObject(object)
	if own, ok := object.(view.Object); ok {
		k, _ := kindByName(view.KindOf(own))
		return k.describe(key)
	}
	return "secret " + key.String()
}

func resourceOf(object client.Object) string {
	if own, ok := object.(view.Object); ok {
		return view.ResourceOf(view.KindOf(own))
	}
	return "secrets"
}

// exportObject prints an object as a manifest, without what is empty.
func exportObject(w io.Writer, object client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return writeDocuments(w, []map[string]any{content})
}

// ownType is the type of an object of this API.
func ownType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1beta1.GroupVersion.String(), Kind: kind}
}

// orNil is nil for a duration that was not given.
func orNil(d time.Duration) *metav1.Duration {
	if d == 0 {
		return nil
	}
	return &metav1.Duration{Duration: d}
}

// secretNamed refers to a Secret, nil without a name.
func secretNamed(name string) *v1beta1.LocalObjectReference {
	if name == "" {
		return nil
	}
	return &v1beta1.LocalObjectReference{Name: name}
}

// checkURL is an error when an address has none of the schemes, or has credentials in it. It does not quote the
// address, which may hold a password.
func checkURL(address string, schemes ...string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("it is malformed")
	case u.User != nil:
		return errors.New("it has credentials in it, which would be in the manifest; put them into a Secret, " +
			"see \"fairlead create secret --help\"")
	case u.Host == "":
		return fmt.Errorf("it is not a URL; write for example %s://charts.example.com", schemes[0])
	}

	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return nil
		}
	}

	return fmt.Errorf("it has the scheme %q; allowed: %s", u.Scheme, strings.Join(schemes, ", "))
}

// readInput reads a file, or standard input for "-". Its content is in no error.
func (a *app) readInput(path string) ([]byte, error) {
	from := a.in
	if path != fromInput {
		file, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, err
		}

		defer file.Close()
		from = file
	}

	content, err := io.ReadAll(io.LimitReader(from, maxCreateFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > maxCreateFile:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxCreateFile)
	case len(content) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	}

	return content, nil
}
