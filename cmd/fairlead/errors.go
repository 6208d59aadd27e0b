package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	// maxSuggestions is how many names a message offers.
	maxSuggestions = 5
	// suggestionTimeout bounds the requests made only to be helpful about a name that does not exist.
	suggestionTimeout = 5 * time.Second
)

// usagef is an error about the command line; it names the command whose help explains it.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	see := "; see %q"
	if strings.HasSuffix(format, "?") {
		see = " See %q"
	}

	return fmt.Errorf(format+see, append(args, cmd.CommandPath()+" --help")...)
}

// explain says in one line what failed and, where something can be done about it, what. The cluster is nil before there
// is a connection.
func explain(err error, c *connection) string {
	var request *view.RequestError
	if !errors.As(err, &request) {
		return explainOther(err, c)
	}

	asked := request.Request()
	switch cause := request.Err; {
	case errors.Is(cause, context.Canceled):
		return asked + ": interrupted"
	case isNotInstalled(cause):
		return fmt.Sprintf("%s: Fairlead is not installed in this cluster (%s): the API %s is missing", asked, c.describe(), v1beta1.GroupVersion)
	case apierrors.IsForbidden(cause):
		return namedObject(request) + forbidden(request)
	case apierrors.IsUnauthorized(cause):
		return asked + ": " + c.unauthorized()
	case isUnreachable(cause):
		return asked + ": " + c.unreachable(cause)
	case lacksNamespace(cause):
		return fmt.Sprintf("%s: namespace %s does not exist", asked, request.Namespace)
	}

	return asked + ": " + oneLine(request.Err.Error())
}

// explainOther explains an error of a library that made requests of its own. It may be about another server than the
// API server.
func explainOther(err error, c *connection) string {
	var urlError *url.Error
	switch {
	case c == nil:
	case apierrors.IsUnauthorized(err):
		return c.unauthorized()
	case errors.As(err, &urlError) && c.host() != "" && strings.HasPrefix(urlError.URL, c.host()) && isUnreachable(err):
		return c.unreachable(err)
	}

	return oneLine(err.Error())
}

// unauthorized says that the API server does not accept the credentials.
func (c *connection) unauthorized() string {
	return fmt.Sprintf("the API server does not accept your credentials (%s); log in again", c.describe())
}

// unreachable says why the API server cannot be reached.
func (c *connection) unreachable(err error) string {
	return fmt.Sprintf("cannot reach the API server %s (%s): %s", c.host(), c.describe(), networkCause(err))
}

// isNotInstalled tells the missing API apart from a missing object: where there is no resource the server's answer is no
// Status object.
func isNotInstalled(err error) bool {
	return meta.IsNoMatchError(err) ||
		apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// lacksNamespace reports whether the answer to a creation is that there is no such namespace.
func lacksNamespace(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}

	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// namedObject names the object that a request is about, before what is said of it; empty without a name.
func namedObject(r *view.RequestError) string {
	if r.Name == "" {
		return ""
	}

	word := r.Resource
	for _, k := range kinds {
		if k.resource() == r.Resource {
			word = k.word
		}
	}

	return word + " " + r.Name + ": "
}

var userPattern = regexp.MustCompile(`User "([^"]+)"`)

func forbidden(r *view.RequestError) string {
	who := "you may not"
	if m := userPattern.FindStringSubmatch(r.Err.Error()); m != nil {
		who = "user " + oneLine(m[1]) + " may not"
	}

	resource := r.Resource
	if slices.ContainsFunc(kinds, func(k kind) bool { return k.resource() == r.Resource }) {
		resource += "." + v1beta1.GroupVersion.Group
	}

	where := " in namespace " + r.Namespace
	check := " -n " + r.Namespace
	hint := ""
	if r.Verb == "watch" {
		hint = "; only --wait, --watch and --with-source need that right"
	}

	switch {
	case r.OfCluster():
		where = ""
		check = ""
	case r.Namespace == "":
		where = " in all namespaces"
		check = " -A"
		hint = "; name one namespace with -n"
	}

	return fmt.Sprintf("forbidden: %s %s %s%s (kubectl auth can-i %s %s%s)%s", who, r.Verb, resource, where,
		r.Verb, resource, check, hint)
}

func isUnreachable(err error) bool {
	var urlError *url.Error
	var netError net.Error
	return errors.As(err, &urlError) || errors.As(err, &netError) || errors.Is(err, context.DeadlineExceeded)
}

// networkCause is the innermost reason, without the addresses and verbs that the layers above it add.
func networkCause(err error) string {
	var netError net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netError) && netError.Timeout() {
		return "it did not answer in time"
	}

	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "the name " + dns.Name + " cannot be resolved"
	}

	var op *net.OpError
	if errors.As(err, &op) {
		return oneLine(strings.TrimPrefix(op.Err.Error(), "connect: "))
	}

	var urlError *url.Error
	if errors.As(err, &urlError) {
		return oneLine(urlError.Err.Error())
	}

	return oneLine(err.Error())
}

// describe names the cluster.
func (c *connection) describe() string {
	switch {
	case c == nil:
		return "no context"
	case c.context == "":
		return "server " + c.host()
	}
	return "context " + c.context
}

func (c *connection) host() string {
	if c == nil {
		return ""
	}
	if u, err := url.Parse(c.server); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return c.server
}

// named connects to the cluster and reads an object of the namespace that is meant.
func (a *app) named(ctx context.Context, k kind, name string) (*connection, view.Object, error) {
	c, err := a.open()
	if err != nil {
		return nil, nil, err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	object, err := view.NewReader(c.client).Object(ctx, k.name, key)
	if err != nil {
		return nil, nil, a.notFound(ctx, k, key, err)
	}

	return c, object, nil
}

// notFound turns the answer that an object does not exist into one that helps to find it; other errors pass unchanged.
func (a *app) notFound(ctx context.Context, k kind, key types.NamespacedName, err error) error {
	if !apierrors.IsNotFound(err) || isNotInstalled(err) {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, suggestionTimeout)
	defer cancel()
	reader := view.NewReader(a.cluster.client)
	if k.ofCluster {
		return notFoundInCluster(ctx, reader, k, key.Name)
	}

	text := fmt.Sprintf("%s %q not found in namespace %s", k.word, key.Name, key.Namespace)
	// What cannot be read here is simply not offered: the answer stays that the object does not exist.
	names, namesErr := reader.Names(ctx, k.name, key.Namespace)
	near := view.Similar(key.Name, names, maxSuggestions)
	elsewhere, _ := reader.Namespaces(ctx, k.name, key.Name)
	if len(near) > 0 {
		text += "; did you mean " + strings.Join(near, ", ") + "?"
	}
	if len(elsewhere) > 0 {
		text += "; that name exists in " + strings.Join(elsewhere[:min(len(elsewhere), maxSuggestions)], ", ") + " (choose with -n)"
	}

	switch {
	case len(near) > 0 || len(elsewhere) > 0 || namesErr != nil:
	case len(names) == 0:
		text += "; there is no " + k.word + " in it"
	default:
		text += fmt.Sprintf("; see %q", "fairlead get "+k.list()+" -n "+key.Namespace)
	}

	return errors.New(text)
}

// notFoundInCluster is the answer about an object of a kind of the whole cluster.
func notFoundInCluster(ctx context.Context, reader view.Reader, k kind, name string) error {
	text := fmt.Sprintf("%s %q not found", k.word, name)
	names, err := reader.Names(ctx, k.name, "")
	near := view.Similar(name, names, maxSuggestions)
	switch {
	case len(near) > 0:
		return fmt.Errorf("%s; did you mean %s?", text, strings.Join(near, ", "))
	case err == nil && len(names) == 0:
		return fmt.Errorf("%s; there is no %s", text, k.word)
	}

	return fmt.Errorf("%s; see %q", text, "fairlead get "+k.list())
}

// noArguments is the argument check of a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "%s takes no arguments, got %q", strings.TrimPrefix(cmd.CommandPath(), "fairlead "), args[0])
	}
	return nil
}
